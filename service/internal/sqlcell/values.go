package sqlcell

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// errShape says that a text is not, or not any more, a value of its type in
// Python: infinity and years before 1 or after 9999, months in an interval,
// and texts in another style that the cell has SET.
var errShape = errors.New("not a value of this type")

// canonical turns PostgreSQL's text of a value into the one that
// Result.Encode documents.
func canonical(t tag, text string) (string, error) {
	switch t {
	case tagBool:
		switch text {
		case "t":
			return "true", nil
		case "f":
			return "false", nil
		}
		return "", errShape
	case tagInt:
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return "", errShape
		}
		return text, nil
	case tagFloat:
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return "", errShape
		}
		return text, nil
	case tagDate:
		if _, err := time.Parse(time.DateOnly, text); err != nil || text < "0001" {
			return "", errShape
		}
		return text, nil
	case tagTime:
		return canonicalTime(text)
	case tagTimestamp:
		t, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil || t.Year() < 1 {
			return "", errShape
		}
		return t.Format(timestampLayout(t)), nil
	case tagTimestampTZ:
		return canonicalTimestampTZ(text)
	case tagInterval:
		n, err := microseconds(text)
		return strconv.FormatInt(n, 10), err
	case tagBytes:
		raw, ok := strings.CutPrefix(text, `\x`)
		b, err := hex.DecodeString(raw)
		if err != nil || !ok {
			return "", errShape
		}
		return base64.StdEncoding.EncodeToString(b), nil
	case tagJSON:
		if !json.Valid([]byte(text)) {
			return "", errShape
		}
		return text, nil
	}
	if element, ok := strings.CutSuffix(string(t), "[]"); ok {
		return canonicalArray(tag(element), text)
	}
	return text, nil
}

// timestampLayout is ISO 8601 with six digits of a fraction or none, which
// every Python reads.
func timestampLayout(t time.Time) string {
	if t.Nanosecond() == 0 {
		return "2006-01-02T15:04:05"
	}
	return "2006-01-02T15:04:05.000000"
}

// offset cuts the "+05:30" or "-08" off the end of a text.
func offset(text string) (rest string, seconds int, found bool) {
	i := strings.LastIndexAny(text, "+-")
	if i < 0 {
		return text, 0, false
	}
	for n, part := range strings.Split(text[i+1:], ":") {
		value, err := strconv.Atoi(part)
		if err != nil || n > 2 || len(part) != 2 {
			return text, 0, false
		}
		seconds += value * []int{3600, 60, 1}[n]
	}
	if text[i] == '-' {
		seconds = -seconds
	}
	return text[:i], seconds, true
}

func canonicalTime(text string) (string, error) {
	clock, seconds, zoned := offset(text)
	t, err := time.Parse("15:04:05", clock)
	if err != nil {
		return "", errShape
	}
	canon := t.Format(strings.TrimPrefix(timestampLayout(t), "2006-01-02T"))
	if !zoned {
		return canon, nil
	}
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	canon += fmt.Sprintf("%c%02d:%02d", sign, seconds/3600, seconds/60%60)
	if seconds%60 != 0 {
		canon += fmt.Sprintf(":%02d", seconds%60)
	}
	return canon, nil
}

func canonicalTimestampTZ(text string) (string, error) {
	clock, seconds, zoned := offset(text)
	t, err := time.Parse("2006-01-02 15:04:05", clock)
	if err != nil || !zoned {
		return "", errShape
	}
	t = t.Add(-time.Duration(seconds) * time.Second)
	if t.Year() < 1 || t.Year() > 9999 {
		return "", errShape
	}
	return t.Format(timestampLayout(t)) + "+00:00", nil
}

// microseconds reads an ISO 8601 duration without years and months, which have
// no length of their own. A day is 24 hours.
func microseconds(text string) (int64, error) {
	rest, ok := strings.CutPrefix(text, "P")
	if !ok || rest == "" {
		return 0, errShape
	}
	var total float64
	clock := false
	for rest != "" {
		if rest[0] == 'T' {
			clock, rest = true, rest[1:]
			continue
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= 'A' && r <= 'Z' })
		if end < 1 {
			return 0, errShape
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, errShape
		}
		var unit float64
		switch {
		case rest[end] == 'D' && !clock:
			unit = 86400e6
		case rest[end] == 'W' && !clock:
			unit = 7 * 86400e6
		case rest[end] == 'H' && clock:
			unit = 3600e6
		case rest[end] == 'M' && clock:
			unit = 60e6
		case rest[end] == 'S' && clock:
			unit = 1e6
		case n == 0:
		default:
			return 0, errShape
		}
		total += math.Round(n * unit)
		rest = rest[end+1:]
	}
	if math.Abs(total) >= 1<<53 {
		// Beyond 285 years microseconds would not be exact in here.
		return 0, errShape
	}
	return int64(total), nil
}

// canonicalArray reads PostgreSQL's text of an array into nested JSON lists.
func canonicalArray(element tag, text string) (string, error) {
	if strings.HasPrefix(text, "[") { // its bounds, which Python's lists don't have
		_, after, found := strings.Cut(text, "=")
		if !found {
			return "", errShape
		}
		text = after
	}
	r := arrayReader{element: element, text: text}
	if err := r.list(); err != nil {
		return "", err
	}
	if r.pos != len(text) {
		return "", errShape
	}
	return string(r.out), nil
}

type arrayReader struct {
	element tag
	text    string
	pos     int
	out     []byte
}

func (r *arrayReader) next() byte {
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

func (r *arrayReader) list() error {
	if r.next() != '{' {
		return errShape
	}
	r.pos++
	r.out = append(r.out, '[')
	for first := true; ; first = false {
		switch c := r.next(); {
		case c == '}' && first:
			r.pos++
			r.out = append(r.out, ']')
			return nil
		case c == '{':
			if err := r.list(); err != nil {
				return err
			}
		case c == '"':
			value, err := r.quoted()
			if err != nil {
				return err
			}
			if err := r.value(value); err != nil {
				return err
			}
		default:
			end := strings.IndexAny(r.text[r.pos:], ",}")
			if end < 1 {
				return errShape
			}
			value := r.text[r.pos : r.pos+end]
			r.pos += end
			if value == "NULL" {
				r.out = append(r.out, "null"...)
			} else if err := r.value(value); err != nil {
				return err
			}
		}
		switch r.next() {
		case ',':
			r.pos++
			r.out = append(r.out, ',')
		case '}':
			r.pos++
			r.out = append(r.out, ']')
			return nil
		default:
			return errShape
		}
	}
}

func (r *arrayReader) quoted() (string, error) {
	var b strings.Builder
	for r.pos++; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; c {
		case '\\':
			r.pos++
			b.WriteByte(r.next())
		case '"':
			r.pos++
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", errShape
}

func (r *arrayReader) value(text string) error {
	canon, err := canonical(r.element, text)
	if err != nil {
		return err
	}
	r.out = appendWire(r.out, r.element, canon)
	return nil
}

// appendWire appends a value in canonical text as JSON.
func appendWire(out []byte, t tag, text string) []byte {
	switch t {
	case tagBool, tagInt, tagAny:
		return append(out, text...)
	case tagFloat:
		if c := text[len(text)-1]; c >= '0' && c <= '9' {
			return append(out, text...)
		}
	}
	if strings.HasSuffix(string(t), "[]") {
		return append(out, text...)
	}
	return appendString(out, text)
}

// appendString appends a JSON string. Nothing in it is escaped but what must
// be: the reader is Python.
func appendString(out []byte, s string) []byte {
	const digits = "0123456789abcdef"
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[start:i]...)
		if c < ' ' {
			out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		} else {
			out = append(out, '\\', c)
		}
		start = i + 1
	}
	return append(append(out, s[start:]...), '"')
}

// formatInterval writes microseconds for people.
func formatInterval(text string) string {
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return text
	}
	sign := ""
	if us < 0 {
		sign, us = "-", -us
	}
	const second, day = 1_000_000, 86_400_000_000
	clock := fmt.Sprintf("%02d:%02d:%02d", us%day/(3600*second), us/(60*second)%60, us/second%60)
	if us%second != 0 {
		clock += strings.TrimRight(fmt.Sprintf(".%06d", us%second), "0")
	}
	switch days := us / day; days {
	case 0:
		return sign + clock
	case 1:
		return sign + "1 day " + clock
	default:
		return fmt.Sprintf("%s%d days %s", sign, days, clock)
	}
}

// validText makes a text that claims to be UTF-8 so, and tells whether it was.
func validText(s string) (string, bool) {
	if utf8.ValidString(s) {
		return s, true
	}
	return strings.ToValidUTF8(s, "\uFFFD"), false
}
