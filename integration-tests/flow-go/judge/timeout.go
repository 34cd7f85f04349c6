package judge

import (
	"slices"

	"github.com/onflow/flow-go/model/flow"

	"github.com/weir-flow/weir/integration-tests/flow-go/network"
)

// timeoutMutations change the certificate of the last view, if it timed out.
var timeoutMutations = []mutation{
	certificate("tc missing", func(c *candidate, _ *flow.TimeoutCertificate) error {
		c.block.LastViewTC = nil
		return nil
	}),
	certificate("tc of another view", func(c *candidate, tc *flow.TimeoutCertificate) error {
		tc.View += uint64(c.random.Between(1, 3))
		return nil
	}),
	certificate("tc of an earlier view", func(_ *candidate, tc *flow.TimeoutCertificate) error {
		tc.View--
		return nil
	}),
	certificate("tc indices: one bit", func(c *candidate, tc *flow.TimeoutCertificate) error {
		tc.SignerIndices = c.flipped(tc.SignerIndices)
		return nil
	}),
	certificate("tc signature: one bit", func(c *candidate, tc *flow.TimeoutCertificate) error {
		tc.SigData = c.flipped(tc.SigData)
		return nil
	}),
	certificate("tc signature: longer", func(c *candidate, tc *flow.TimeoutCertificate) error {
		tc.SigData = c.longer(tc.SigData)
		return nil
	}),
	certificate("tc views: one more", func(_ *candidate, tc *flow.TimeoutCertificate) error {
		tc.NewestQCViews = append(tc.NewestQCViews, tc.NewestQCViews[0])
		return nil
	}),
	certificate("tc views: one less", func(_ *candidate, tc *flow.TimeoutCertificate) error {
		tc.NewestQCViews = tc.NewestQCViews[1:]
		return nil
	}),
	certificate("tc views: one changed", func(c *candidate, tc *flow.TimeoutCertificate) error {
		tc.NewestQCViews[c.random.Between(0, len(tc.NewestQCViews)-1)]--
		return nil
	}),
	certificate("tc newest qc data: bytes behind the list", func(c *candidate, tc *flow.TimeoutCertificate) error {
		tc.NewestQC.SigData = c.longer(tc.NewestQC.SigData)
		return nil
	}),
	certificate("tc newest qc data: one bit", func(c *candidate, tc *flow.TimeoutCertificate) error {
		tc.NewestQC.SigData = c.flipped(tc.NewestQC.SigData)
		return nil
	}),
	certificate("tc newest qc of another block", func(c *candidate, tc *flow.TimeoutCertificate) error {
		tc.NewestQC.BlockID = c.random.Identifier()
		return nil
	}),
	certificate("tc newest qc: view changed", func(_ *candidate, tc *flow.TimeoutCertificate) error {
		tc.NewestQC.View++
		return nil
	}),
	signedTimeouts("tc: all views below the newest qc's", func(_ *candidate, views []uint64) {
		for index := range views {
			views[index]--
		}
	}),
	signedTimeouts("tc: a view above the newest qc's", func(c *candidate, views []uint64) {
		views[c.random.Between(0, len(views)-1)] += 2
	}),
	signedTimeouts("tc: views zero", func(_ *candidate, views []uint64) { clear(views) }),
	{"tc though the last view has a qc", func(c *candidate) (bool, error) {
		if c.block.LastViewTC != nil || c.parent.Parent == nil {
			return false, nil
		}
		tc, err := signTimeouts(c, c.parent.Parent, everybody, func([]uint64) {})
		c.block.LastViewTC = tc
		return err == nil, err
	}},
	{"tc by too few", func(c *candidate) (bool, error) {
		if c.block.LastViewTC == nil {
			return false, nil
		}
		some := func(members flow.IdentifierList) flow.IdentifierList {
			return drawn(c, members, c.random.Between(1, len(members)))
		}
		tc, err := signTimeouts(c, c.parent, some, func([]uint64) {})
		c.block.LastViewTC = tc
		return err == nil, err
	}},
}

// certificate changes a copy of the timeout certificate that the block carries.
func certificate(name string, change func(*candidate, *flow.TimeoutCertificate) error) mutation {
	return mutation{name, func(c *candidate) (bool, error) {
		if c.block.LastViewTC == nil {
			return false, nil
		}
		tc, qc := *c.block.LastViewTC, *c.block.LastViewTC.NewestQC
		tc.NewestQC = &qc
		tc.NewestQCViews = append([]uint64(nil), tc.NewestQCViews...)
		c.block.LastViewTC = &tc
		return true, change(c, &tc)
	}}
}

// signedTimeouts lets the whole committee sign changed views.
func signedTimeouts(name string, change func(*candidate, []uint64)) mutation {
	return mutation{name, func(c *candidate) (bool, error) {
		if c.block.LastViewTC == nil {
			return false, nil
		}
		tc, err := signTimeouts(c, c.parent, everybody, func(views []uint64) { change(c, views) })
		c.block.LastViewTC = tc
		return err == nil, err
	}}
}

// everybody lets all members sign.
func everybody(members flow.IdentifierList) flow.IdentifierList { return members }

// signTimeouts makes the certificate of the view before the block's by chosen members of the committee, with the
// certificate of a block as the newest.
func signTimeouts(
	c *candidate, newest *network.Record, choose func(flow.IdentifierList) flow.IdentifierList, change func([]uint64),
) (*flow.TimeoutCertificate, error) {
	view := c.block.View - 1
	committee, err := c.network.Committee(view)
	if err != nil {
		return nil, err
	}
	signers := choose(committee.Members.NodeIDs())
	views := slices.Repeat([]uint64{newest.View()}, len(signers))
	change(views)
	timeouts := make([]network.Timeout, 0, len(signers))
	for index, id := range signers {
		timeouts = append(timeouts, network.Timeout{SignerID: id, NewestQCView: views[index]})
	}
	return c.network.TC(committee, view, newest.QC, timeouts)
}
