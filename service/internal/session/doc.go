// Package session is one open notebook: its document, its graph, its kernel
// and its event log, and the manager that opens them.
//
// It is not transport (package api calls it) and not storage (it calls a
// Store). The goroutine of a Session is the only one that touches what the
// session owns; everybody else sends it a function and waits for the answer.
//
// Invariant: events of a notebook are published in the order in which its
// state changed, and a change to what people wrote is in the store before it
// is acknowledged or published.
package session
