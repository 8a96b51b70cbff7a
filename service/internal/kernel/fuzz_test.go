package kernel

import (
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a worker sends, in which cells run, the service goes on: it makes
// events that can be told to clients, or it kills the kernel.
func FuzzPackets(f *testing.F) {
	const first = 1
	header := func(kind, flags byte, id uint32) []byte {
		return binary.BigEndian.AppendUint32([]byte{kind, flags}, id)
	}
	for _, seed := range []struct {
		kind, flags byte
		id          uint32
		payload     string
	}{
		{'o', 0, first, "text\n"}, {'e', flagPipes, first, "\xf0\x9f"}, {'o', flagMore, first, "part"}, {'h', 0, 0, ""}, {'x', 0, 0, "Traceback"},
		{'d', 0, first, `{"kind":"display","data":{"text/plain":"1"},"metadata":{}}`}, {'d', 0, first, `{"kind":"stream","text":7}`},
		{'f', 0, first, `{"ms":1.5,"clean":true,"error":null}`}, {'f', 0, first, `{"ms":1e300,"error":{"kind":"?","name":"E","message":"m"}}`},
		{'r', 0, 7, `{}`}, {'?', 0xff, 0xffffffff, "\x00"}, {'d', 0, first, `{"kind":"error"}`}, {'d', 0, first, "null"},
	} {
		f.Add(append(header(seed.kind, seed.flags, seed.id), seed.payload...), []byte("h\x00\x00\x00\x00\x00"))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		log := slog.New(slog.DiscardHandler)
		k := &Kernel{
			host: &Host{log: log, o: Options{OutputLimit: 1 << 10, StreamLimit: 1 << 10}}, token: [tokenSize]byte{1, 2, 3},
			events: make(chan Event, 100), abandon: make(chan struct{}), ready: make(chan struct{}),
			runs: map[uint32]*run{}, replies: map[uint32]chan []byte{7: make(chan []byte, 1)},
		}
		now := newRun(k, first, testCell)
		k.run, k.last, k.runs[first], k.order = now, now, now, []uint32{first}
		close(k.abandon)
		var parts []byte
		for _, body := range [][]byte{one, two, one, two} {
			var whole bool
			if parts, whole = k.packet(append(k.token[:], body...), parts); !whole {
				break
			}
			require.LessOrEqual(t, len(parts), 1<<10+1<<20)
		}
		now.end()
		for {
			select {
			case e := <-k.events:
				switch e := e.(type) {
				case Output:
					_, err := json.Marshal(e.Output)
					require.NoError(t, err)
				case Finished:
					_, err := json.Marshal(e.Error)
					require.NoError(t, err)
				}
			default:
				return
			}
		}
	})
}
