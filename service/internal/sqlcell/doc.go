// Package sqlcell runs the SQL cells of notebooks: it holds the connections
// that the service was configured with, finds the Python variables that a
// cell's source refers to, runs the source with their values bound as
// parameters, and gives back typed rows, for the page and for the kernel.
//
// It runs in the service, never in a kernel. It is not a session: it knows
// neither notebooks nor their kernels, neither caches results nor retries, and
// keeps nothing from one run to the next: a run gets a database session in its
// initial state.
//
// Invariant: credentials stay in here. No error, log line, result or output
// holds a password of a connection, and no value of a parameter ever becomes
// text of a statement.
//
// # Source
//
// {name} is a reference to the Python variable of that name and is bound as a
// parameter; {{ and }} are braces. Inside string literals, quoted identifiers,
// dollar quotes and comments, braces are what they are. The statements of a
// cell run one after another, each by itself unless the cell says BEGIN, and
// the cell's result is that of the last one. A transaction that the cell
// leaves open is rolled back.
//
// # What the database can be asked to do
//
// Whatever the role of the connection's URL may do. Sessions are not made
// read-only: give the URL of a role that can only read where that is wanted
// (PostgreSQL: ALTER ROLE … SET default_transaction_read_only = on, and grants).
// Server-side state (SET, temporary tables, prepared statements, advisory
// locks) ends with the run, by DISCARD ALL; a pooler in front of PostgreSQL
// must therefore pool sessions, not transactions. TLS is as the URL says
// (sslmode, sslrootcert).
//
// SQLite runs in this process, so what reaches beyond the one database file is
// refused: ATTACH and VACUUM (which can write any file), load_extension, and
// pragmas other than those that describe the database.
package sqlcell
