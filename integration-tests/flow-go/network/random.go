package network

import (
	"crypto/sha3"
	"encoding/binary"
	"math/rand/v2"
	"strconv"

	"github.com/onflow/flow-go/model/flow"
)

// Random is a stream of choices that depends on nothing but its seed.
type Random struct {
	*rand.Rand
	source *rand.ChaCha8
}

// NewRandom returns the stream of a seed for a purpose.
func NewRandom(seed uint64, purpose string) *Random {
	source := rand.NewChaCha8(digest(seed, purpose))
	return &Random{Rand: rand.New(source), source: source}
}

// Chance is true with the given probability.
func (r *Random) Chance(probability float64) bool {
	return r.Float64() < probability
}

// Between draws from low to high, both included.
func (r *Random) Between(low, high int) int {
	return low + r.IntN(high-low+1)
}

// Bytes draws a byte string of a length.
func (r *Random) Bytes(length int) []byte {
	out := make([]byte, length)
	_, _ = r.source.Read(out) // documented never to fail
	return out
}

// Identifier draws an identifier.
func (r *Random) Identifier() flow.Identifier {
	return flow.Identifier(r.Bytes(flow.IdentifierLen))
}

// pick draws one element of a list that is not empty.
func pick[T any](r *Random, list []T) T {
	return list[r.IntN(len(list))]
}

// shuffled returns a copy of the list in an order drawn at random.
func shuffled[T any](r *Random, list []T) []T {
	out := append([]T(nil), list...)
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// digest hashes a seed with words and numbers that say what it is for.
func digest(seed uint64, purpose string, indices ...int) [32]byte {
	input := binary.BigEndian.AppendUint64(nil, seed)
	input = append(input, purpose...)
	for _, index := range indices {
		input = append(input, '/')
		input = strconv.AppendInt(input, int64(index), 10)
	}
	return sha3.Sum256(input)
}
