package judge

import (
	"slices"

	"github.com/onflow/flow-go/consensus/hotstuff/model"
	"github.com/onflow/flow-go/model/flow"

	"github.com/weir-flow/weir/integration-tests/flow-go/network"
)

// quorumMutations change the certificate of the parent.
var quorumMutations = []mutation{
	always("qc indices: one bit", func(c *candidate) {
		c.block.ParentVoterIndices = c.flipped(c.block.ParentVoterIndices)
	}),
	always("qc indices: longer", func(c *candidate) {
		c.block.ParentVoterIndices = c.longer(c.block.ParentVoterIndices)
	}),
	always("qc indices: shorter", func(c *candidate) {
		c.block.ParentVoterIndices = c.shorter(c.block.ParentVoterIndices)
	}),
	always("qc data: one bit", func(c *candidate) {
		c.block.ParentVoterSigData = c.flipped(c.block.ParentVoterSigData)
	}),
	always("qc data: bytes behind the list", func(c *candidate) {
		c.block.ParentVoterSigData = c.longer(c.block.ParentVoterSigData)
	}),
	always("qc data: shorter", func(c *candidate) {
		c.block.ParentVoterSigData = c.shorter(c.block.ParentVoterSigData)
	}),
	signatureData("qc types: one bit", func(c *candidate, data *model.SignatureData) {
		data.SigType = c.flipped(data.SigType)
	}),
	signatureData("qc types: longer", func(c *candidate, data *model.SignatureData) {
		data.SigType = append(data.SigType, 0)
	}),
	signatureData("qc types: empty", func(_ *candidate, data *model.SignatureData) { data.SigType = nil }),
	signatureData("qc beacon aggregate: any bytes", func(c *candidate, data *model.SignatureData) {
		data.AggregatedRandomBeaconSig = c.random.Bytes(c.random.Between(1, 100))
	}),
	signatureData("qc staking signature: one bit", func(c *candidate, data *model.SignatureData) {
		data.AggregatedStakingSig = c.flipped(data.AggregatedStakingSig)
	}),
	signatureData("qc beacon signature: one bit", func(c *candidate, data *model.SignatureData) {
		data.ReconstructedRandomBeaconSig = c.flipped(data.ReconstructedRandomBeaconSig)
	}),
	signatureData("qc signatures exchanged", func(_ *candidate, data *model.SignatureData) {
		data.AggregatedStakingSig, data.ReconstructedRandomBeaconSig =
			data.ReconstructedRandomBeaconSig, data.AggregatedStakingSig
	}),
	signatureData("qc staking signature longer", func(c *candidate, data *model.SignatureData) {
		data.AggregatedStakingSig = c.longer(data.AggregatedStakingSig)
	}),
	signatureData("qc beacon signature empty", func(_ *candidate, data *model.SignatureData) {
		data.ReconstructedRandomBeaconSig = nil
	}),
	{"qc of the grandparent's message", func(c *candidate) (bool, error) {
		if c.parent.Parent == nil {
			return false, nil
		}
		c.carry(c.parent.Parent.QC)
		return true, nil
	}},
	quorum("qc by other signers", func(c *candidate, members flow.IdentifierList) flow.IdentifierList {
		return drawn(c, members, len(members)/2+1)
	}),
	quorum("qc by some signers", func(c *candidate, members flow.IdentifierList) flow.IdentifierList {
		return drawn(c, members, c.random.Between(1, len(members)))
	}),
	quorum("qc by one signer", func(c *candidate, members flow.IdentifierList) flow.IdentifierList {
		return drawn(c, members, 1)
	}),
	quorum("qc by all signers", func(_ *candidate, members flow.IdentifierList) flow.IdentifierList {
		return members
	}),
}

// signatureData changes the parts of the certificate's signature data.
func signatureData(name string, change func(*candidate, *model.SignatureData)) mutation {
	return mutation{name, func(c *candidate) (bool, error) {
		packer := new(model.SigDataPacker)
		data, err := packer.Decode(c.block.ParentVoterSigData)
		if err != nil {
			return false, err
		}
		change(c, data)
		c.block.ParentVoterSigData, err = packer.Encode(data)
		return err == nil, err
	}}
}

// quorum lets chosen members of the committee sign.
func quorum(name string, choose func(*candidate, flow.IdentifierList) flow.IdentifierList) mutation {
	return mutation{name, func(c *candidate) (bool, error) {
		if c.parent.Parent == nil {
			return false, nil
		}
		committee, err := c.network.Committee(c.parent.View())
		if err != nil {
			return false, err
		}
		qc, err := certify(c, committee, choose(c, committee.Members.NodeIDs()))
		if err != nil {
			return false, err
		}
		c.carry(qc)
		return true, nil
	}}
}

// certify makes a certificate of the parent by the signers. With too few shares for the beacon's signature, that of
// the valid certificate stays.
func certify(
	c *candidate, committee *network.Committee, signers flow.IdentifierList,
) (*flow.QuorumCertificate, error) {
	view, id := c.parent.View(), c.parent.ID
	if len(committee.Beacon.Holders(signers)) < committee.Beacon.Required() {
		return c.network.StakingQC(committee, signers, view, id, c.block.ParentVoterSigData)
	}
	return c.network.QC(committee, signers, view, id)
}

// carry puts the certificate into the block's header.
func (candidate *candidate) carry(qc *flow.QuorumCertificate) {
	candidate.block.ParentVoterIndices, candidate.block.ParentVoterSigData = qc.SignerIndices, qc.SigData
}

// drawn returns so many of the members, in their order.
func drawn(c *candidate, members flow.IdentifierList, count int) flow.IdentifierList {
	left := slices.Clone(members)
	for len(left) > count {
		index := c.random.Between(0, len(left)-1)
		left = slices.Delete(left, index, index+1)
	}
	return left
}
