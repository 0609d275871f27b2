// Package godeltaprof stands in for the one of this name, which today's Go cannot build. The server uses it only
// to profile itself, which is turned off.
package godeltaprof

import "io"

// BlockProfiler writes nothing.
type BlockProfiler struct{}

// HeapProfiler writes nothing.
type HeapProfiler struct{}

// NewBlockProfiler makes one.
func NewBlockProfiler() *BlockProfiler { return &BlockProfiler{} }

// NewMutexProfiler makes one.
func NewMutexProfiler() *BlockProfiler { return &BlockProfiler{} }

// NewHeapProfiler makes one.
func NewHeapProfiler() *HeapProfiler { return &HeapProfiler{} }

// Profile does nothing.
func (*BlockProfiler) Profile(io.Writer) error { return nil }

// Profile does nothing.
func (*HeapProfiler) Profile(io.Writer) error { return nil }
