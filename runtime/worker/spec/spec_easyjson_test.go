// SPDX-License-Identifier: Apache-2.0

package spec_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/mailru/easyjson"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// TestGeneratedCode: what is generated (go generate ./runtime/worker/...) writes and reads
// every field, as encoding/json does, which other versions may use.
func TestGeneratedCode(t *testing.T) {
	type message interface {
		easyjson.Marshaler
		easyjson.Unmarshaler
	}
	for _, m := range []message{
		&spec.Container{}, &spec.Exec{}, &spec.Files{}, &spec.Resolved{}, &spec.Compiled{}, &spec.Compile{}, &spec.Failure{}, &spec.Exit{},
	} {
		t.Run(reflect.TypeOf(m).Elem().Name(), func(t *testing.T) {
			fill(t, reflect.ValueOf(m).Elem(), 2)
			same := func(encode func() ([]byte, error), decode func([]byte, message) error) {
				t.Helper()
				data, err := encode()
				if err != nil {
					t.Fatal(err)
				}
				got := reflect.New(reflect.TypeOf(m).Elem()).Interface().(message)
				if err := decode(data, got); err != nil || !reflect.DeepEqual(got, m) {
					t.Errorf("%s became %+v, %v", data, got, err)
				}
			}
			same(func() ([]byte, error) { return easyjson.Marshal(m) }, func(data []byte, to message) error { return json.Unmarshal(data, to) })
			same(func() ([]byte, error) { return json.Marshal(m) }, func(data []byte, to message) error { return easyjson.Unmarshal(data, to) })
		})
	}
}

// fill gives every field a value; what holds others of its own kind does so depth times.
func fill(t *testing.T, v reflect.Value, depth int) {
	t.Helper()
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(-7)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(7)
	case reflect.String:
		v.SetString("<é&\u2028\">")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), depth)
	case reflect.Slice:
		if depth == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), depth-1)
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"a": "1", "": "2"}))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 2).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(t, v.Field(i), depth)
		}
	default:
		t.Fatalf("a field of kind %s", v.Kind())
	}
}
