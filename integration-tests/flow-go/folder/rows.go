package folder

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/onflow/flow-go/model/fingerprint"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
)

// ExpectedRow is all that expected.jsonl says of a block.
type ExpectedRow struct {
	Expected
	ParentID              string   `json:"parent_id"`
	Height                uint64   `json:"height"`
	View                  uint64   `json:"view"`
	PayloadHash           string   `json:"payload_hash"`
	LastViewTCID          string   `json:"last_view_tc_id"`
	CommitteeEpochCounter uint64   `json:"committee_epoch_counter"`
	ExecutionResultID     string   `json:"execution_result_id"`
	GuaranteeIDs          []string `json:"guarantee_ids"`
	SealIDs               []string `json:"seal_ids"`
	ReceiptIDs            []string `json:"receipt_ids"`
	ResultIDs             []string `json:"result_ids"`
	GuaranteesRoot        string   `json:"guarantees_root"`
	SealsRoot             string   `json:"seals_root"`
	ReceiptsRoot          string   `json:"receipts_root"`
	ResultsRoot           string   `json:"results_root"`
}

// Describe fills in what follows from the block itself.
func (row *ExpectedRow) Describe(block *flow.Block) {
	payload := block.Payload
	row.BlockID = block.ID().String()
	row.ParentID = block.ParentID.String()
	row.Height = block.Height
	row.View = block.View
	row.PayloadHash = payload.Hash().String()
	if block.LastViewTC != nil {
		row.LastViewTCID = block.LastViewTC.ID().String()
	}
	row.ProtocolStateID = payload.ProtocolStateID.String()
	row.GuaranteeIDs, row.GuaranteesRoot = idsAndRoot(payload.Guarantees)
	row.SealIDs, row.SealsRoot = idsAndRoot(payload.Seals)
	row.ReceiptIDs, row.ReceiptsRoot = idsAndRoot(payload.Receipts)
	row.ResultIDs, row.ResultsRoot = idsAndRoot(payload.Results)
}

func idsAndRoot[T flow.IDEntity](list []T) ([]string, string) {
	ids := flow.GetIDs(list)
	digits := make([]string, 0, len(ids))
	for _, id := range ids {
		digits = append(digits, id.String())
	}
	return digits, flow.MerkleRoot(ids...).String()
}

// NewQC returns a certificate as a chain folder writes it.
func NewQC(qc *flow.QuorumCertificate) QC {
	return QC{View: qc.View, BlockID: qc.BlockID, SignerIndices: qc.SignerIndices, SigData: qc.SigData}
}

// ProtocolStateRow is a row of kv_states.jsonl.
type ProtocolStateRow struct {
	ProtocolStateID string          `json:"protocol_state_id"`
	Version         uint64          `json:"version"`
	Data            hexBytes        `json:"data"`
	Fields          json.RawMessage `json:"fields"`
}

// NewProtocolStateRow describes a key-value store.
func NewProtocolStateRow(store protocol.KVStoreReader) (ProtocolStateRow, error) {
	version, data, err := store.VersionedEncode()
	if err != nil {
		return ProtocolStateRow{}, fmt.Errorf("could not encode key-value store: %w", err)
	}
	fields, err := json.Marshal(store)
	return ProtocolStateRow{
		ProtocolStateID: store.ID().String(), Version: version, Data: data, Fields: fields,
	}, err
}

// EpochStateRow is a row of epoch_states.jsonl.
type EpochStateRow struct {
	EpochStateID          string                   `json:"epoch_state_id"`
	Entry                 *flow.MinEpochStateEntry `json:"entry"`
	RLP                   hexBytes                 `json:"rlp"`
	Phase                 string                   `json:"phase"`
	Counter               uint64                   `json:"counter"`
	CurrentEpochFinalView uint64                   `json:"current_epoch_final_view"`
	PreviousEpochStateID  *string                  `json:"previous_epoch_state_id"`
	CurrentEpochStateID   string                   `json:"current_epoch_state_id"`
	NextEpochStateID      *string                  `json:"next_epoch_state_id"`
	IdentityTable         []IdentityRow            `json:"identity_table"`
	NextIdentityTable     []IdentityRow            `json:"next_identity_table"`
}

// NewEpochStateRow describes an epoch state.
func NewEpochStateRow(entry *flow.RichEpochStateEntry) EpochStateRow {
	return EpochStateRow{
		EpochStateID:          entry.ID().String(),
		Entry:                 entry.MinEpochStateEntry,
		RLP:                   fingerprint.Fingerprint(entry.MinEpochStateEntry),
		Phase:                 entry.EpochPhase().String(),
		Counter:               entry.EpochCounter(),
		CurrentEpochFinalView: entry.CurrentEpochFinalView(),
		PreviousEpochStateID:  containerID(entry.PreviousEpoch),
		CurrentEpochStateID:   entry.CurrentEpoch.ID().String(),
		NextEpochStateID:      containerID(entry.NextEpoch),
		IdentityTable:         identityRows(entry.CurrentEpochIdentityTable),
		NextIdentityTable:     identityRows(entry.NextEpochIdentityTable),
	}
}

func containerID(container *flow.EpochStateContainer) *string {
	if container == nil {
		return nil
	}
	id := container.ID().String()
	return &id
}

// IdentityRow is a row of an identity table.
type IdentityRow struct {
	NodeID        string
	Address       string
	Role          string
	StakingPubKey string
	NetworkPubKey string
	Status        string
	InitialWeight uint64
}

func identityRows(table flow.IdentityList) []IdentityRow {
	rows := make([]IdentityRow, 0, len(table))
	for _, identity := range table {
		rows = append(rows, IdentityRow{
			NodeID:        identity.NodeID.String(),
			Address:       identity.Address,
			Role:          identity.Role.String(),
			StakingPubKey: hex.EncodeToString(identity.StakingPubKey.Encode()),
			NetworkPubKey: hex.EncodeToString(identity.NetworkPubKey.Encode()),
			Status:        identity.EpochParticipationStatus.String(),
			InitialWeight: identity.InitialWeight,
		})
	}
	return rows
}

// ServiceEventRow is a row of service_events.jsonl.
type ServiceEventRow struct {
	EmittedByBlock string          `json:"emitted_by_block"`
	Type           string          `json:"type"`
	ID             string          `json:"id"`
	RLP            hexBytes        `json:"rlp"`
	Event          json.RawMessage `json:"event"`
}

// NewServiceEventRow describes an event that the execution of a block emitted.
func NewServiceEventRow(blockID flow.Identifier, event flow.ServiceEvent) (ServiceEventRow, error) {
	encoded, err := json.Marshal(event.Event)
	return ServiceEventRow{
		EmittedByBlock: blockID.String(),
		Type:           event.Type.String(),
		ID:             flow.MakeID(event.Event).String(),
		RLP:            fingerprint.Fingerprint(event.Event),
		Event:          encoded,
	}, err
}
