package events

import "encoding/binary"

// Frame is a message behind the header of an unmasked WebSocket text frame (RFC
// 6455, 5.2): made once, it goes to every client as it is. It is never changed.
type Frame []byte

// NewFrame returns the frame of a text, which is what the parts make together.
func NewFrame(parts ...[]byte) Frame {
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	f := make(Frame, 0, n+10)
	const final, text = 0x80, 0x1
	f = append(f, final|text)
	switch {
	case n <= 125:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	for _, part := range parts {
		f = append(f, part...)
	}
	return f
}

// Text returns the message without the header.
func (f Frame) Text() []byte {
	switch f[1] {
	case 126:
		return f[4:]
	case 127:
		return f[10:]
	}
	return f[2:]
}
