package kernel

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxValues bounds the text of the values that are collected at once.
	maxValues = 64 << 20
	// signalEvery is how often an interrupt of a conversion is repeated: one
	// that arrives before the worker has got to it is lost.
	signalEvery = 100 * time.Millisecond
)

// Collect returns the values of those of the names that are in the globals, as
// the JSON object that encode_parameters of the module sqlvalues makes. A value
// that can't be carried is a *ValueError. When ctx ends, the kernel is
// interrupted as a cell would be, and killed if that doesn't help. While a cell
// runs it is an error.
func (k *Kernel) Collect(ctx context.Context, names []string) ([]byte, error) {
	file, err := memoryFile()
	if err != nil {
		return nil, fmt.Errorf("collect values: %w", err)
	}
	defer file.Close()
	if err := k.carry(ctx, object{"op": "collect", "names": stringList(names), "limit": maxValues}, file); err != nil {
		return nil, fmt.Errorf("collect values: %w", err)
	}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, maxValues+1))
	if err != nil {
		return nil, fmt.Errorf("collect values: %w", err)
	}
	return data, nil
}

// Bind makes a global of what decode_result of the module sqlvalues reads from
// the encoded value: a data frame where pandas can be imported, else a list.
// Errors and the end of ctx are as with Collect; after an error the name is as
// it was.
func (k *Kernel) Bind(ctx context.Context, name string, encoded []byte) error {
	file, err := memoryFile()
	if err != nil {
		return fmt.Errorf("bind %s: %w", name, err)
	}
	defer file.Close()
	// Not Write: the worker shares the position, and reads from the start.
	if _, err := file.WriteAt(encoded, 0); err != nil {
		return fmt.Errorf("bind %s: %w", name, err)
	}
	if err := k.carry(ctx, object{"op": "bind", "name": name}, file); err != nil {
		return fmt.Errorf("bind %s: %w", name, err)
	}
	return nil
}

// memoryFile returns an empty file without a name. Values travel in it and not
// in packets, as they may be large.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("values", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), "values"), nil
}

// carry has the worker work on a file, and waits for it.
func (k *Kernel) carry(ctx context.Context, request object, file *os.File) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.mu.Lock()
	busy := k.run != nil
	k.mu.Unlock()
	if busy {
		return errBusy
	}
	asking, answered := context.WithCancel(context.WithoutCancel(ctx))
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		k.interruptUntil(asking)
	})
	data, err := k.ask(asking, request, file)
	answered()
	if !stop() {
		<-interrupted // so that no signal reaches what the kernel does next
	}
	if err != nil {
		return err
	}
	answer, err := decode[struct{ Error *ValueError }](data)
	if err != nil {
		return err
	}
	if answer.Error == nil {
		return nil
	}
	if answer.Error.Name == "KeyboardInterrupt" && ctx.Err() != nil {
		return ctx.Err()
	}
	return answer.Error
}

// interruptUntil interrupts what the worker does until done ends, and kills it
// when that takes too long.
func (k *Kernel) interruptUntil(done context.Context) {
	again := time.NewTicker(signalEvery)
	defer again.Stop()
	grace := time.NewTimer(interruptGrace)
	defer grace.Stop()
	for {
		k.mu.Lock()
		k.signal(unix.SIGINT)
		k.mu.Unlock()
		select {
		case <-done.Done():
			return
		case <-again.C:
		case <-grace.C:
			k.kill(CauseInterrupt, fmt.Sprintf("the cell was interrupted while values were carried and did not stop within %v; its kernel was killed", interruptGrace))
			return
		}
	}
}
