package folder

import (
	"encoding/hex"
	"encoding/json"
)

// hexBytes are bytes that stand in JSON as hexadecimal digits.
type hexBytes []byte

// MarshalJSON writes the digits.
func (bytes hexBytes) MarshalJSON() ([]byte, error) {
	return json.Marshal(hex.EncodeToString(bytes))
}

// UnmarshalJSON reads the digits.
func (bytes *hexBytes) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	decoded, err := hex.DecodeString(digits)
	*bytes = decoded
	return err
}
