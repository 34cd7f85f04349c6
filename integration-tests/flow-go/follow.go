package main

import (
	"errors"
	"flag"
	"fmt"

	"github.com/onflow/flow-go/consensus/hotstuff/model"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
	"github.com/weir-flow/weir/integration-tests/flow-go/node"
)

// runFollow takes nodes through chain folders, block by block.
func runFollow(arguments []string) error {
	flags := flag.NewFlagSet("follow", flag.ContinueOnError)
	reference := flags.Bool("reference", false,
		"reference chains: anybody may propose, and payloads are checked as a follower does")
	conflict := flags.Bool("conflict", false, "the chain must end in conflicting finality")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("name a chain folder")
	}
	for _, dir := range flags.Args() {
		chain, err := folder.Read(dir)
		if err != nil {
			return err
		}
		followed, err := follow(chain, *reference)
		switch {
		case *conflict && model.IsByzantineThresholdExceededError(err):
			fmt.Printf("%s: conflicting finality, as expected: %v\n", dir, err)
		case err != nil:
			return fmt.Errorf("%s: %w", dir, err)
		case *conflict:
			return fmt.Errorf("%s: no conflicting finality", dir)
		default:
			fmt.Printf("%s: %s\n", dir, followed)
		}
	}
	return nil
}

// followed counts what was checked of a chain.
type followed struct {
	blocks, finalized, participant int
}

func (followed followed) String() string {
	return fmt.Sprintf("%d blocks followed, %d of them finalized; a participant took %d",
		followed.blocks, followed.finalized, followed.participant)
}

// follow puts every block of a chain to HotStuff's validator, to a follower and its forks, and to a
// participant unless it is a reference chain.
func follow(chain *folder.Chain, reference bool) (followed, error) {
	var done followed
	following, err := newFollowing(chain, chain.Root)
	if err != nil {
		return done, err
	}
	defer following.node.Close()
	following.anybodyProposes = reference
	var participant *participant
	if !reference {
		if participant, err = newParticipant(chain); err != nil {
			return done, err
		}
		defer participant.node.Close()
	}
	for index := 1; index < len(chain.Blocks); index++ {
		if err := following.next(index); err != nil {
			return done, err
		}
		done.blocks++
		if participant == nil {
			continue
		}
		if err := participant.extend(chain, index); err != nil {
			return done, chain.Failed(index, fmt.Errorf("the participant's state: %w", err))
		}
		done.participant++
	}
	done.finalized, err = following.compareFinalized()
	return done, err
}

// following is a follower that gets the blocks of a folder.
type following struct {
	chain    *folder.Chain
	node     *node.Node
	finality *node.Finality
	compared comparison
	// anybodyProposes leaves out who leads a view and the proposer's signature.
	anybodyProposes bool
	// unverified are blocks of an epoch that no finalized block has committed yet. A node waits with them; here
	// their certificates are validated as soon as the epoch is known.
	unverified []int
}

// newFollowing starts a follower from a snapshot of the chain.
func newFollowing(chain *folder.Chain, root protocol.Snapshot) (*following, error) {
	follower, err := node.NewFollower(root)
	if err != nil {
		return nil, err
	}
	finality, err := node.NewFinality(root)
	return &following{chain: chain, node: follower, finality: finality, compared: comparison{}}, err
}

// next validates a block, extends the state with it, compares what comes of it, and finalizes what it shows
// to be final.
func (following *following) next(index int) error {
	proposal, chain := following.chain.Proposal(index), following.chain
	if err := following.validate(index); err != nil {
		return err
	}
	// A follower never gets a block without certificate, but learns from its header that the parent has one.
	if chain.Expected[index].Certified() {
		if err := following.extend(index); err != nil {
			return err
		}
	}
	before := following.finality.Latest()
	latest, err := following.finality.Add(&proposal.Block)
	if err != nil {
		return chain.Failed(index, err)
	}
	if latest == before {
		return nil
	}
	if err := following.node.MakeFinal(latest); err != nil {
		return chain.Failed(index, fmt.Errorf("finalizing %v: %w", latest, err))
	}
	waiting := following.unverified
	following.unverified = nil
	for _, index := range waiting {
		if err := following.validate(index); err != nil {
			return err
		}
	}
	return nil
}

// extend puts a certified block to the follower's state, and compares what comes of it.
func (following *following) extend(index int) error {
	proposal, chain := following.chain.Proposal(index), following.chain
	qc, err := chain.Expected[index].CertifyingQC.Flow()
	if err != nil {
		return chain.Failed(index, err)
	}
	if err := following.node.ExtendCertified(proposal, qc); err != nil {
		return chain.Failed(index, fmt.Errorf("the follower's state: %w", err))
	}
	snapshot := following.node.State.AtBlockID(proposal.Block.ID())
	if err := following.compared.block(chain, index, snapshot); err != nil {
		return chain.Failed(index, err)
	}
	return nil
}

// validate puts a block to HotStuff's validator, or notes that its epoch is not known yet.
func (following *following) validate(index int) error {
	signed := model.SignedProposalFromBlock(following.chain.Proposal(index))
	err := following.validateProposal(signed)
	if errors.Is(err, model.ErrViewForUnknownEpoch) {
		following.unverified = append(following.unverified, index)
		return nil
	}
	if err != nil {
		return following.chain.Failed(index, fmt.Errorf("HotStuff's validator: %w", err))
	}
	return nil
}

func (following *following) validateProposal(signed *model.SignedProposal) error {
	if following.anybodyProposes {
		return following.node.ValidateFromAnybody(signed)
	}
	validator, err := following.node.Validator()
	if err != nil {
		return err
	}
	return validator.ValidateProposal(signed)
}

// compareFinalized holds what was finalized above the snapshot's head against the folder, and counts it.
func (following *following) compareFinalized() (int, error) {
	if len(following.unverified) != 0 {
		return 0, following.chain.Failed(following.unverified[0], model.ErrViewForUnknownEpoch)
	}
	root := following.node.State.Params().FinalizedRoot()
	final := map[flow.Identifier]bool{}
	for id := following.finality.Latest(); id != root.ID(); {
		header, err := following.node.Storage.Headers.ByBlockID(id)
		if err != nil {
			return 0, err
		}
		final[id] = true
		id = header.ParentID
	}
	for index, block := range following.chain.Blocks {
		if block.Height <= root.Height {
			continue
		}
		if expected := following.chain.Expected[index].Finalized; expected != final[block.ID()] {
			return 0, following.chain.Failed(index, fmt.Errorf("finalized is %t, expected %t", !expected, expected))
		}
	}
	return len(final), nil
}
