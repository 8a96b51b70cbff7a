package sqlcell

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// DecodeParams reads the values of Python variables from the JSON object that
// encode_parameters of PythonSource writes, keeping numbers exact.
func DecodeParams(object []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	var params map[string]any
	if err := decoder.Decode(&params); err != nil {
		return nil, fmt.Errorf("read the values of a SQL cell's parameters: %w", err)
	}
	return params, nil
}

// tag is the type of a value between the kernel and a database.
type tag string

const (
	tagNull        tag = "null" // of a column without any value
	tagBool        tag = "bool"
	tagInt         tag = "int"
	tagFloat       tag = "float"
	tagDecimal     tag = "decimal"
	tagText        tag = "text"
	tagDate        tag = "date"
	tagTime        tag = "time" // with or without an offset
	tagTimestamp   tag = "timestamp"
	tagTimestampTZ tag = "timestamptz"
	tagInterval    tag = "interval"
	tagBytes       tag = "bytes"
	tagJSON        tag = "json"
	tagUUID        tag = "uuid"
	tagAny         tag = "any"  // of a column with values of several types
	tagList        tag = "list" // of a parameter; of a column it is "ELEMENT[]"
)

// param is a parameter's value: text as in a result, see Result.Encode.
type param struct {
	tag  tag
	text string
	list []param
}

// readParam reads a JSON value: null, a bool, a json.Number, a string, a list,
// or {"type": TAG, "value": TEXT} for what JSON has no form of.
func readParam(value any) (param, error) {
	switch v := value.(type) {
	case nil:
		return param{tag: tagNull}, nil
	case bool:
		return param{tag: tagBool, text: strconv.FormatBool(v)}, nil
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return param{tag: tagFloat, text: v.String()}, nil
		}
		return param{tag: tagInt, text: v.String()}, nil
	case string:
		return param{tag: tagText, text: v}, nil
	case []any:
		p := param{tag: tagList}
		for i, item := range v {
			element, err := readParam(item)
			if err != nil {
				return param{}, fmt.Errorf("item %d: %w", i, err)
			}
			p.list = append(p.list, element)
		}
		return p, nil
	case map[string]any:
		kind, _ := v["type"].(string)
		text, ok := v["value"].(string)
		switch t := tag(kind); t {
		case tagFloat, tagDecimal, tagDate, tagTime, tagTimestamp, tagTimestampTZ, tagInterval, tagJSON, tagUUID, tagBytes:
			if ok {
				return param{tag: t, text: text}, nil
			}
		case "unsupported":
			if ok {
				return param{}, fmt.Errorf("a value of type %s can't be a parameter", text)
			}
		}
		return param{}, fmt.Errorf("a value of unknown type %q can't be a parameter", kind)
	}
	return param{}, fmt.Errorf("a value of type %T can't be a parameter", value)
}

// Object ids of PostgreSQL's types, fixed in its catalog.
const (
	oidUnknown     = 0 // the server infers the type, as for a quoted literal
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt4        = 23
	oidFloat8      = 701
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestampTZ = 1184
	oidInterval    = 1186
	oidTimeTZ      = 1266
	oidNumeric     = 1700
	oidUUID        = 2950
	oidJSONB       = 3802
)

var arrayOf = map[uint32]uint32{
	oidUnknown: oidUnknown, oidBool: 1000, oidBytea: 1001, oidInt8: 1016, oidInt4: 1007, oidFloat8: 1022,
	oidDate: 1182, oidTime: 1183, oidTimestamp: 1115, oidTimestampTZ: 1185, oidInterval: 1187, oidTimeTZ: 1270,
	oidNumeric: 1231, oidUUID: 2951, oidJSONB: 3807,
}

// postgres returns a parameter's type and its text, nil for NULL. Numbers get
// the types of PostgreSQL's own constants; strings are left to inference, as
// quoted literals are, so that they fit enums, dates and uuids.
func (p param) postgres() (oid uint32, text []byte, err error) {
	switch p.tag {
	case tagNull:
		return oidUnknown, nil, nil
	case tagList:
		element, text, err := p.array()
		return arrayOf[element], []byte(text), err
	case tagBytes:
		raw, err := base64.StdEncoding.DecodeString(p.text)
		if err != nil {
			return 0, nil, errors.New("its bytes are not in base64")
		}
		return oidBytea, []byte(`\x` + hex.EncodeToString(raw)), nil
	case tagInterval:
		return oidInterval, []byte(p.text + " microseconds"), nil
	}
	return p.oid(), []byte(p.text), nil
}

func (p param) oid() uint32 {
	switch p.tag {
	case tagBool:
		return oidBool
	case tagInt:
		n, err := strconv.ParseInt(p.text, 10, 64)
		switch {
		case err != nil:
			return oidNumeric
		case n < math.MinInt32 || n > math.MaxInt32:
			return oidInt8
		}
		return oidInt4
	case tagFloat:
		return oidFloat8
	case tagDecimal:
		return oidNumeric
	case tagDate:
		return oidDate
	case tagTime:
		if strings.ContainsAny(p.text, "+-Z") {
			return oidTimeTZ
		}
		return oidTime
	case tagTimestamp:
		return oidTimestamp
	case tagTimestampTZ:
		return oidTimestampTZ
	case tagInterval:
		return oidInterval
	case tagBytes:
		return oidBytea
	case tagJSON:
		return oidJSONB
	case tagUUID:
		return oidUUID
	}
	return oidUnknown
}

// array returns the type of a list's elements, which is the widest of theirs,
// and the text of the array.
func (p param) array() (element uint32, text string, err error) {
	element = oidUnknown
	typed := false
	var b strings.Builder
	b.WriteByte('{')
	for i, item := range p.list {
		if i > 0 {
			b.WriteByte(',')
		}
		var oid uint32
		switch item.tag {
		case tagNull:
			b.WriteString("NULL")
			continue
		case tagList:
			var inner string
			if oid, inner, err = item.array(); err != nil {
				return 0, "", err
			}
			b.WriteString(inner)
			if len(item.list) == 0 {
				continue
			}
		default:
			var one []byte
			if oid, one, err = item.postgres(); err != nil {
				return 0, "", fmt.Errorf("item %d: %w", i, err)
			}
			b.WriteByte('"')
			b.WriteString(arrayEscapes.Replace(string(one)))
			b.WriteByte('"')
		}
		switch {
		case !typed || oid == element:
			element, typed = oid, true
		case numeric(oid) > 0 && numeric(element) > 0:
			if numeric(oid) > numeric(element) {
				element = oid
			}
		default:
			return 0, "", errors.New("its items are of different types, which no array can hold")
		}
	}
	b.WriteByte('}')
	return element, b.String(), nil
}

var arrayEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// numeric ranks the types of numbers: a higher one takes the values of a lower.
func numeric(oid uint32) int {
	switch oid {
	case oidInt4:
		return 1
	case oidInt8:
		return 2
	case oidNumeric:
		return 3
	case oidFloat8:
		return 4
	}
	return 0
}

// sqlite returns a parameter as a value of SQLite: nil, int64, float64, string
// or []byte. SQLite knows no others: dates and times are ISO 8601 as its own
// functions write them, decimals the nearest float, lists and dicts JSON.
func (p param) sqlite() (any, error) {
	switch p.tag {
	case tagNull:
		return nil, nil
	case tagBool:
		if p.text == "true" {
			return int64(1), nil
		}
		return int64(0), nil
	case tagInt:
		n, err := strconv.ParseInt(p.text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is beyond SQLite's integers of 64 bits", shorten(p.text, 60))
		}
		return n, nil
	case tagFloat, tagDecimal:
		f, err := strconv.ParseFloat(p.text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, fmt.Errorf("%q is not a number", shorten(p.text, 60))
		}
		if math.IsNaN(f) {
			return nil, nil
		}
		if p.tag == tagDecimal && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), nil
		}
		return f, nil
	case tagTimestamp, tagTimestampTZ:
		return strings.Replace(p.text, "T", " ", 1), nil
	case tagBytes:
		raw, err := base64.StdEncoding.DecodeString(p.text)
		if err != nil {
			return nil, errors.New("its bytes are not in base64")
		}
		return raw, nil
	case tagInterval:
		return nil, errors.New("SQLite has no intervals: pass a number of seconds or days")
	case tagList:
		plain, err := p.plain()
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(plain)
		return string(text), err
	}
	return p.text, nil
}

// plain returns a parameter as a value that JSON has a form of.
func (p param) plain() (any, error) {
	switch p.tag {
	case tagNull:
		return nil, nil
	case tagBool:
		return p.text == "true", nil
	case tagInt:
		return json.Number(p.text), nil
	case tagJSON:
		return json.RawMessage(p.text), nil
	case tagBytes:
		return nil, errors.New("a list for SQLite is bound as JSON, which has no bytes")
	case tagList:
		items := []any{}
		for _, item := range p.list {
			plain, err := item.plain()
			if err != nil {
				return nil, err
			}
			items = append(items, plain)
		}
		return items, nil
	}
	return p.sqlite()
}
