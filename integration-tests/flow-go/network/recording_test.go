package network

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onflow/flow-go/model/flow"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
)

func record(t *testing.T, n *Network, dir string) {
	t.Helper()
	recording, err := n.Recording("test")
	require.NoError(t, err)
	require.NoError(t, folder.Write(dir, recording))
}

func TestFolderReadsBackWhatTheNetworkMade(t *testing.T) {
	n := newNetwork(t, 8, VariedConfig(8))
	steps(t, n, 60)
	dir := t.TempDir()
	record(t, n, dir)
	chain, err := folder.Read(dir)
	require.NoError(t, err)
	require.Len(t, chain.Blocks, len(n.Records))
	for index, record := range n.Records {
		expected := chain.Expected[index]
		require.Equal(t, record.ID, chain.Blocks[index].ID())
		require.Equal(t, record.ID.String(), expected.BlockID)
		require.Equal(t, record.Finalized, expected.Finalized)
		require.Equal(t, record.QC.ID(), flowQC(t, expected).ID())
		require.Contains(t, chain.EpochStates, expected.EpochStateID)
	}
}

func TestOneSeedGivesTheSameBytes(t *testing.T) {
	var dirs [2]string
	for i := range dirs {
		n := newNetwork(t, 9, VariedConfig(9))
		steps(t, n, 40)
		dirs[i] = t.TempDir()
		record(t, n, dirs[i])
	}
	files, err := os.ReadDir(dirs[0])
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		first, err := os.ReadFile(filepath.Join(dirs[0], file.Name()))
		require.NoError(t, err)
		second, err := os.ReadFile(filepath.Join(dirs[1], file.Name()))
		require.NoError(t, err)
		require.Equal(t, first, second, file.Name())
	}
}

func TestFolderIsNotWrittenOverAnother(t *testing.T) {
	n := newNetwork(t, 10, HappyConfig())
	dir := t.TempDir()
	record(t, n, dir)
	recording, err := n.Recording("test")
	require.NoError(t, err)
	require.ErrorContains(t, folder.Write(dir, recording), "not empty")
}

func flowQC(t *testing.T, expected folder.Expected) *flow.QuorumCertificate {
	t.Helper()
	qc, err := expected.CertifyingQC.Flow()
	require.NoError(t, err)
	return qc
}
