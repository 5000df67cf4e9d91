package keystore

import (
	"encoding/binary"
	"errors"
)

// ErrSealedData says that sealed data do not open: they were altered, belong elsewhere, or their key is gone.
var ErrSealedData = errors.New("open sealed data: altered, moved or without its key")

// dataBytesMax bounds what is sealed at once.
const dataBytesMax = 16 << 20

// SealData encrypts what is not a card number but as little for everyone's eyes, such as a document or the secret of
// an endpoint. It opens only under the same context, which names the row that it belongs to.
func (s *Store) SealData(context string, plain []byte) ([]byte, error) {
	if len(plain) > dataBytesMax {
		return nil, errors.New("seal data: too large")
	}
	r := s.keys()
	out := make([]byte, sealedHeader, sealedHeader+len(plain)+64)
	out[0] = sealedForm
	binary.BigEndian.PutUint32(out[1:], r.sealer)
	return r.aeads[r.sealer].Seal(out, nil, plain, dataContext(out[:sealedHeader], context)), nil
}

// OpenData decrypts what SealData made under the same context. The error is [ErrSealedData].
func (s *Store) OpenData(context string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealedHeader || sealed[0] != sealedForm {
		return nil, ErrSealedData
	}
	aead, ok := s.keys().aeads[binary.BigEndian.Uint32(sealed[1:])]
	if !ok {
		return nil, ErrSealedData
	}
	plain, err := aead.Open(nil, nil, sealed[sealedHeader:], dataContext(sealed[:sealedHeader], context))
	if err != nil {
		return nil, ErrSealedData
	}
	return plain, nil
}

// dataContext never equals the context of a card number, which begins otherwise.
func dataContext(header []byte, context string) []byte {
	return append(append([]byte("holdfast data "), header...), context...)
}
