// Package network simulates a Flow network that holds every private key.
//
// It drives flow-go's own participant state: every block it makes is checked by
// flow-go's HotStuff validator and extends a real consensus participant's
// database. A block that flow-go refuses ends the run with an error.
package network

import "fmt"

// Config says how large a network is and how often something odd happens.
type Config struct {
	// Consensus to Access count the nodes of each role in the root epoch.
	Consensus, Collection, Execution, Verification, Access int
	// Clusters is the number of collector clusters.
	Clusters int
	// RootHeight and RootView place the spork's root block.
	RootHeight, RootView uint64
	// EpochViews is the length of an epoch that the epoch contract plans.
	EpochViews uint64
	// FinalizationSafetyThreshold is the safety margin of the key-value store, in views.
	FinalizationSafetyThreshold uint64
	// EpochExtensionViewCount is the length of an extension at the root, in views.
	EpochExtensionViewCount uint64
	// ProtocolStateVersion is the root's key-value store version, 0 to 2.
	ProtocolStateVersion uint64
	// Rates are the chances of everything that is left to chance.
	Rates Rates
}

// Rates are chances between 0 and 1, each drawn once for a block unless said otherwise.
type Rates struct {
	// Timeout is the chance that a view times out, LongTimeout that many in a row do.
	Timeout, LongTimeout float64
	// Fork is the chance that a block after a timeout does not extend the newest block.
	Fork float64
	// Receipt is the chance that a result that can be included is included.
	Receipt float64
	// ConflictingResult is the chance that a second, wrong result of a block is included.
	ConflictingResult float64
	// Seal is the chance that a seal that may be included is included.
	Seal float64
	// Shuffle is the chance that a list with a free order is out of its usual order.
	Shuffle float64
	// Setup, Commit and Recover are the chances that the event that is due is emitted.
	Setup, Commit, Recover float64
	// Flaw is the chance, for each of those events, that it is invalid.
	Flaw float64
	// Stray is the chance of an epoch event that is not due.
	Stray float64
	// Eject, Upgrade, ExtensionViewCount and VersionBeacon are the chances of these events.
	Eject, Upgrade, ExtensionViewCount, VersionBeacon float64
	// AnotherQC is the chance that a second child carries a QC of other signers.
	AnotherQC float64
	// Odd is the chance, for each service event, that one place in it is changed, whatever comes of it.
	Odd float64
}

// DefaultConfig returns a small network in which everything happens now and then.
func DefaultConfig() Config {
	return Config{
		Consensus: 5, Collection: 4, Execution: 2, Verification: 4, Access: 1,
		Clusters:   2,
		RootHeight: 1000, RootView: 5000,
		EpochViews:                  110,
		FinalizationSafetyThreshold: 20,
		EpochExtensionViewCount:     60,
		Rates: Rates{
			Timeout: 0.15, LongTimeout: 0.01, Fork: 0.4,
			Receipt: 0.85, ConflictingResult: 0.03, Seal: 0.8, Shuffle: 0.3,
			Setup: 0.3, Commit: 0.3, Recover: 0.15, Flaw: 0.1, Stray: 0.004,
			Eject: 0.02, Upgrade: 0.03, ExtensionViewCount: 0.02, VersionBeacon: 0.01,
			AnotherQC: 0.3,
		},
	}
}

// HappyConfig returns a network in which nothing odd happens.
func HappyConfig() Config {
	config := DefaultConfig()
	config.Rates = Rates{Receipt: 0.95, Seal: 0.95, Setup: 0.5, Commit: 0.5}
	return config
}

// VariedConfig draws a configuration of a seed, so that chains of different seeds
// differ in kind: some have many flawed events, some many forks, some upgrade.
func VariedConfig(seed uint64) Config {
	r := NewRandom(seed, "configuration")
	config := DefaultConfig().share(r.Between(minNodes, 28))
	config.Clusters = r.Between(1, min(3, config.Collection))
	config.ProtocolStateVersion = pick(r, []uint64{0, 0, 1, 2})
	config.EpochViews = uint64(r.Between(60, 120))
	config.EpochExtensionViewCount = uint64(r.Between(40, 90))
	rates := &config.Rates
	rates.Timeout = pick(r, []float64{0.05, 0.15, 0.3})
	rates.Fork = pick(r, []float64{0.2, 0.4, 0.7})
	rates.Receipt = pick(r, []float64{0.6, 0.85})
	rates.Seal = pick(r, []float64{0.5, 0.8})
	rates.Setup = pick(r, []float64{0.04, 0.3, 0.3, 0.3})
	rates.Commit = pick(r, []float64{0.04, 0.3, 0.3, 0.3})
	rates.Recover = pick(r, []float64{0.1, 0.3})
	rates.Flaw = pick(r, []float64{0, 0.15, 0.4})
	rates.Stray = pick(r, []float64{0, 0.004, 0.02})
	rates.Eject = pick(r, []float64{0, 0.02, 0.06})
	rates.Upgrade = pick(r, []float64{0.01, 0.03, 0.1})
	return config
}

// WithNodes returns the configuration with the nodes shared out among the roles.
func (c Config) WithNodes(nodes int) (Config, error) {
	if nodes < minNodes {
		return c, fmt.Errorf("a network needs at least %d nodes, got %d", minNodes, nodes)
	}
	return c.share(nodes), nil
}

// share gives every role its part of the nodes, at least what it needs.
func (c Config) share(nodes int) Config {
	c.Verification = max(nodes/4, minVerification)
	c.Execution = max(nodes/8, minExecution)
	c.Collection = max(nodes/4, 2)
	c.Consensus = max(nodes/3, minConsensus)
	c.Access = max(nodes-c.Verification-c.Execution-c.Collection-c.Consensus, 0)
	c.Clusters = min(c.Clusters, c.Collection)
	return c
}

const (
	minConsensus  = 4
	minCollection = 2
	minExecution  = 2
	// Chunk assignment wants three verifiers for each chunk, or nothing can be sealed.
	minVerification = 3
	minNodes        = 12
)
