package sqlcell

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/postgresurl"
)

const (
	poolSize      = 4 // sessions of one connection; further runs wait
	poolIdle      = 5 * time.Minute
	cancelTimeout = 5 * time.Second // for a cancelled statement to end, before the session is dropped
	timeoutSlack  = 2 * time.Second // by which the server's own limit comes first
	maxMessage    = 256 << 20       // bytes of one row
)

type postgres struct {
	pool    *pgxpool.Pool
	secrets []string
}

func postgresOpener(address string) (opener, error) {
	config, err := postgresurl.Parse(address)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns, config.MinIdleConns = poolSize, 0, 0
	config.MaxConnIdleTime = poolIdle
	return func(ctx context.Context) (database, error) {
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return nil, errors.New("its pool of connections can't be made")
		}
		return &postgres{pool, secrets(config)}, nil
	}, nil
}

func secrets(config *pgxpool.Config) []string {
	var found []string
	for _, s := range []string{config.ConnConfig.Password, url.QueryEscape(config.ConnConfig.Password), url.PathEscape(config.ConnConfig.Password)} {
		if s != "" {
			found = append(found, s)
		}
	}
	return found
}

func (p *postgres) dialect() Dialect { return PostgreSQL }

func (p *postgres) close() error {
	p.pool.Close()
	return nil
}

// prelude sets what the reading of values relies on, and the server's own
// limit on the time of a statement. A cell may change any of it for itself.
const prelude = `SET statement_timeout = %d; SET idle_in_transaction_session_timeout = 0;` +
	`SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'; SET extra_float_digits = 1;` +
	`SET standard_conforming_strings = on; SET client_encoding = 'UTF8'`

func (p *postgres) run(ctx context.Context, r *run) *notebook.CellError {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		if fault := stopped(ctx); fault != nil {
			return fault
		}
		return p.unreachable(err)
	}
	defer conn.Release()
	s := &pgSession{conn: conn.Conn().PgConn(), run: r}
	// A session that anything was left in is not for the next run.
	defer s.reset()
	s.conn.Frontend().SetMaxBodyLen(maxMessage)

	limit := r.Timeout.Milliseconds()
	if limit < 0 {
		limit = 0
	}
	if err := s.conn.Exec(ctx, fmt.Sprintf(prelude, limit)).Close(); err != nil {
		if fault := stopped(ctx); fault != nil {
			return fault
		}
		return p.lost(err)
	}
	for i := range r.statements {
		if fault := stopped(ctx); fault != nil {
			return fault
		}
		r.next()
		failed, err := s.statement(ctx, &r.statements[i])
		switch fault := stopped(ctx); {
		case failed == nil && err == nil:
			continue
		case fault != nil:
			return fault
		case errors.Is(err, errOvertime), failed != nil && failed.code == "57014" && strings.Contains(failed.message, "statement timeout"):
			return r.overtime()
		case failed != nil:
			return failed.cellError(r.Source, &r.statements[i])
		case errors.As(err, new(*paramError)):
			return sqlError("TypeError", "%v", err)
		}
		return p.lost(err)
	}
	s.finish(ctx)
	return nil
}

// unreachable says why there is no session, without the URL's secrets.
func (p *postgres) unreachable(err error) *notebook.CellError {
	config := p.pool.Config().ConnConfig
	at := net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		if strings.HasPrefix(refused.Code, "28") { // the server's words name the user
			return sqlError(conditionName(refused.Code), "the database server at %s refuses the user or the password of this connection", at)
		}
		return sqlError(conditionName(refused.Code), "the database server at %s refuses this connection: %s", at, p.redact(refused.Message))
	}
	return sqlError("ConnectionError", "the database server at %s can't be reached: %s", at, p.reason(err))
}

func (p *postgres) lost(err error) *notebook.CellError {
	if errors.As(err, new(*pgproto3.ExceededMaxBodyLenErr)) {
		return sqlError("program_limit_exceeded", "a row is larger than the limit of %d MiB: select less of it", maxMessage>>20)
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return sqlError(conditionName(refused.Code), "the database server ended the session: %s", p.redact(refused.Message))
	}
	return sqlError("ConnectionError", "the connection to the database server broke: %s", p.reason(err))
}

// reason returns the innermost error's text, which is free of pgx' summary of
// the URL.
func (p *postgres) reason(err error) string {
	for {
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				return p.redact(err.Error())
			}
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			if len(all) == 0 {
				return p.redact(err.Error())
			}
			err = all[len(all)-1]
		default:
			return p.redact(err.Error())
		}
	}
}

func (p *postgres) redact(text string) string {
	for _, secret := range p.secrets {
		if strings.Contains(text, secret) {
			return "(the reason is left out, as it would show the password)"
		}
	}
	return text
}

// pgSession is one server session during one run.
//
// It speaks the extended protocol itself instead of through pgx' queries: only
// so can it ask for at most so many rows. Then a SELECT simply ends there,
// while statements that change something are still carried out as a whole;
// cancelling them after the last wanted row would undo what they did.
type pgSession struct {
	conn    *pgconn.PgConn
	run     *run
	unknown map[uint32][]int // columns of types that are looked up at the end
	rawType []uint32
}

type paramError struct{ error }

var errOvertime = errors.New("statement took too long")

// statement runs one statement into the run's result.
func (s *pgSession) statement(ctx context.Context, st *statement) (*failure, error) {
	oids := make([]uint32, len(st.names))
	values := make([][]byte, len(st.names))
	for i, name := range st.names {
		var err error
		if oids[i], values[i], err = s.run.params[name].postgres(); err != nil {
			return nil, &paramError{fmt.Errorf("{%s}: %w", name, err)}
		}
	}
	end := s.watch(ctx)
	failed, err := s.exchange(st, oids, values)
	if overtime := end(); overtime && (failed != nil || err != nil) {
		err = errors.Join(errOvertime, err)
	}
	if err != nil && !s.conn.IsClosed() && !errors.Is(err, errOvertime) {
		s.drop() // in the middle of an answer
	}
	return failed, err
}

// watch cancels the statement on the server when ctx ends, or when the server
// does not keep the time limit itself. The function that it returns ends the
// watch and tells whether time was up; after it no cancellation is under way
// that could hit the next statement.
func (s *pgSession) watch(ctx context.Context) (end func() bool) {
	overtime := false
	limited, cancel := ctx, context.CancelFunc(func() {})
	if s.run.Timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, s.run.Timeout+timeoutSlack)
	}
	answered, finished := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(limited, func() {
		defer close(finished)
		overtime = ctx.Err() == nil
		// The answer to come is awaited no longer than this.
		_ = s.conn.Conn().SetReadDeadline(time.Now().Add(cancelTimeout))
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
		defer cancel()
		for {
			// Asked before the server has begun the statement, it finds
			// nothing to cancel: ask again.
			_ = s.conn.CancelRequest(asking)
			select {
			case <-answered:
				return
			case <-asking.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	return func() bool {
		close(answered)
		if !stop() {
			<-finished
			_ = s.conn.Conn().SetReadDeadline(time.Time{})
		}
		cancel()
		return overtime
	}
}

func (s *pgSession) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	_ = s.conn.Close(ctx)
}

// exchange sends a statement and reads its answer to the end. An error means
// that the session can't be used any more.
func (s *pgSession) exchange(st *statement, oids []uint32, values [][]byte) (*failure, error) {
	f := s.conn.Frontend()
	f.SendParse(&pgproto3.Parse{Query: st.text, ParameterOIDs: oids})
	f.SendBind(&pgproto3.Bind{Parameters: values})
	f.SendDescribe(&pgproto3.Describe{ObjectType: 'P'})
	f.SendExecute(&pgproto3.Execute{MaxRows: uint32(min(s.run.RowLimit, 1<<30) + 1)})
	f.SendSync(&pgproto3.Sync{})
	if err := f.Flush(); err != nil {
		return nil, err
	}
	var failed *failure
	result, size := s.run.result, 0
	for {
		message, err := s.conn.ReceiveMessage(context.Background())
		if err != nil {
			return failed, err
		}
		switch m := message.(type) {
		case *pgproto3.RowDescription:
			names := make([]string, len(m.Fields))
			s.rawType = make([]uint32, len(m.Fields))
			for i, field := range m.Fields {
				names[i], _ = validText(string(field.Name))
				s.rawType[i] = field.DataTypeOID
			}
			result.describe(names)
		case *pgproto3.DataRow:
			if result.Truncated || len(m.Values) != len(result.values) {
				break
			}
			if result.RowCount == s.run.RowLimit {
				s.run.full(strconv.Itoa(s.run.RowLimit))
				break
			}
			for _, v := range m.Values {
				size += len(v)
			}
			if size > s.run.ByteLimit {
				s.run.full(fmt.Sprintf("%d bytes", s.run.ByteLimit))
				break
			}
			for i, v := range m.Values {
				result.values[i] = append(result.values[i], value{string(v), v == nil})
			}
			result.RowCount++
		case *pgproto3.CommandComplete:
			tag := pgconn.NewCommandTag(string(m.CommandTag))
			result.Command = tag.String()
			if len(result.Columns) == 0 {
				result.Affected = tag.RowsAffected()
			}
		case *pgproto3.NoticeResponse:
			result.notice("%s: %s", m.Severity, m.Message)
		case *pgproto3.ErrorResponse:
			if failed == nil {
				failed = serverFailure(m, st)
			}
		case *pgproto3.CopyInResponse:
			// The server now waits for data, and takes no notice of the Sync
			// that it was sent.
			f.Send(&pgproto3.CopyFail{Message: "a SQL cell has no data to copy from"})
			f.SendSync(&pgproto3.Sync{})
			if err := f.Flush(); err != nil {
				return nil, err
			}
		case *pgproto3.CopyOutResponse:
			failed = &failure{name: "feature_not_supported", code: "0A000", offset: -1,
				message: "a SQL cell can't show what COPY … TO STDOUT copies", hint: "use SELECT"}
			ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
			err := s.conn.CancelRequest(ctx)
			cancel()
			if err != nil {
				return failed, err
			}
		case *pgproto3.ReadyForQuery:
			if failed == nil {
				s.convert()
			}
			return failed, nil
		}
	}
}

func serverFailure(m *pgproto3.ErrorResponse, st *statement) *failure {
	f := &failure{
		name: conditionName(m.Code), code: m.Code, message: m.Message, detail: m.Detail, hint: m.Hint, where: m.Where, offset: -1,
	}
	if m.Position > 0 { // in characters from 1
		f.offset = len(st.text)
		n := 0
		for i := range st.text {
			if n++; n == int(m.Position) {
				f.offset = i
				break
			}
		}
	}
	if m.InternalQuery != "" {
		f.where = strings.TrimSpace(f.where + "\nin the statement: " + shorten(m.InternalQuery, pageText))
	}
	if len(st.names) == 0 {
		return f
	}
	hint := ""
	switch m.Code {
	case "42601":
		if strings.Contains(m.Message, `"$`) {
			hint = "a reference stands where only text can: bind values, not names; for a list write = ANY({name}), for a type {name}::date"
		}
	case "42P18":
		hint = "PostgreSQL can't tell the type of a value that stands here: write {name}::text, or another type"
	case "42P02", "08P01":
		hint = "PostgreSQL takes values only in queries, INSERT, UPDATE, DELETE and MERGE, not in this kind of statement"
	}
	if hint != "" {
		f.hint = hint
		for i := len(st.names); i > 0; i-- { // $12 before $1
			f.message = strings.ReplaceAll(f.message, fmt.Sprintf("$%d", i), "{"+st.names[i-1]+"}")
		}
	}
	return f
}

// types are those of PostgreSQL's types that Python has one of; the others
// are text, in PostgreSQL's own form.
var types = map[uint32]tag{
	oidBool: tagBool, oidBytea: tagBytes, oidInt8: tagInt, 21: tagInt, oidInt4: tagInt, 26: tagInt,
	114: tagJSON, oidJSONB: tagJSON, 700: tagFloat, oidFloat8: tagFloat, oidNumeric: tagDecimal,
	18: tagText, 19: tagText, 25: tagText, 705: tagText, 1042: tagText, 1043: tagText,
	oidDate: tagDate, oidTime: tagTime, oidTimeTZ: tagTime, oidTimestamp: tagTimestamp, oidTimestampTZ: tagTimestampTZ,
	oidInterval: tagInterval, oidUUID: tagUUID,
	142: tagText, 650: tagText, 829: tagText, 869: tagText, 790: tagText, 3614: tagText, 2278: tagNull,

	1000: "bool[]", 1001: "bytes[]", 1016: "int[]", 1005: "int[]", 1007: "int[]", 1028: "int[]",
	199: "json[]", 3807: "json[]", 1021: "float[]", 1022: "float[]", 1231: "decimal[]",
	1002: "text[]", 1003: "text[]", 1009: "text[]", 1014: "text[]", 1015: "text[]", 651: "text[]", 1041: "text[]", 1040: "text[]",
	1182: "date[]", 1183: "time[]", 1270: "time[]", 1115: "timestamp[]", 1185: "timestamptz[]", 1187: "interval[]", 2951: "uuid[]",
}

// convert turns the values that the server sent into those of a Result. Where
// one is no value of its type in Python, its whole column becomes text: a
// column of one type is worth more than one of two.
func (s *pgSession) convert() {
	result := s.run.result
	s.unknown = map[uint32][]int{}
	for i := range result.Columns {
		t, known := types[s.rawType[i]]
		if !known {
			t = tagText
			s.unknown[s.rawType[i]] = append(s.unknown[s.rawType[i]], i)
		}
		result.convert(i, t)
	}
}

// convert gives a column of raw text a type.
func (r *Result) convert(column int, t tag) {
	name := r.Columns[column].Name
	values := r.values[column]
	if t != tagText {
		canon := make([]value, len(values))
		for row, v := range values {
			if canon[row] = v; v.null {
				continue
			}
			text, err := canonical(t, v.text)
			if err != nil {
				r.notice("column %s is kept as text: Python's %s has no %s", name, pageType(t), shorten(v.text, plainText))
				t = tagText
				break
			}
			canon[row].text = text
		}
		if t != tagText {
			r.values[column] = canon
		}
	}
	invalid := false
	for row, v := range values {
		if !utf8.ValidString(v.text) {
			r.values[column][row].text, _ = validText(v.text)
			invalid = true
		}
	}
	if invalid {
		r.notice("column %s holds text that is not UTF-8: what can't be read is replaced by \uFFFD", name)
	}
	r.setType(column, t)
}

// finish looks up which of the unknown types are arrays, whose values then
// become lists, and tells of a transaction that the cell left open.
func (s *pgSession) finish(ctx context.Context) {
	if s.conn.TxStatus() != 'I' {
		s.run.result.notice("the transaction that this cell began was rolled back: end it with COMMIT in the same cell")
	}
	if len(s.unknown) == 0 || s.conn.TxStatus() == 'E' {
		return
	}
	oids := []string{}
	for oid := range s.unknown {
		oids = append(oids, strconv.FormatUint(uint64(oid), 10))
	}
	query := "SELECT oid FROM pg_catalog.pg_type WHERE typcategory = 'A' AND typdelim = ',' AND typelem <> 0 AND oid = ANY($1::oid[])"
	answer := s.conn.ExecParams(ctx, query, [][]byte{[]byte("{" + strings.Join(oids, ",") + "}")}, nil, nil, nil).Read()
	if answer.Err != nil {
		return // they stay text
	}
	for _, row := range answer.Rows {
		oid, err := strconv.ParseUint(string(row[0]), 10, 32)
		if err != nil {
			continue
		}
		for _, column := range s.unknown[uint32(oid)] {
			s.run.result.convert(column, "text[]")
		}
	}
}

// reset makes the session as it was at its start, or drops it.
func (s *pgSession) reset() {
	if s.conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	if s.conn.IsBusy() {
		s.drop()
		return
	}
	if s.conn.TxStatus() != 'I' {
		if err := s.conn.Exec(ctx, "ROLLBACK").Close(); err != nil {
			s.drop()
			return
		}
	}
	if err := s.conn.Exec(ctx, "DISCARD ALL").Close(); err != nil {
		s.drop()
	}
}
