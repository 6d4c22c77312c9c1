package notes

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func call(handler http.Handler, method, path, body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	return recorder
}

func TestNotes(t *testing.T) {
	handler := Handler(NewStore())
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		answer                   string
	}{
		{"well", "GET", "/health", "", 200, `{"status":"ok"}`},
		{"empty", "GET", "/notes", "", 200, `[]`},
		{"added", "POST", "/notes", `{"text": " first "}`, 201, `{"id":1,"text":"first"}`},
		{"blank", "POST", "/notes", `{"text": " "}`, 400, `{"error":"text is missing"}`},
		{"no JSON", "POST", "/notes", `text`, 400, `{"error":"text is missing"}`},
		{"listed", "GET", "/notes", "", 200, `[{"id":1,"text":"first"}]`},
		{"refused", "DELETE", "/notes", "", 405, `{"error":"method not allowed"}`},
	} {
		got := call(handler, test.method, test.path, test.body)
		if got.Code != test.status || strings.TrimSpace(got.Body.String()) != test.answer {
			t.Errorf("%s: got %d %s", test.name, got.Code, got.Body)
		}
	}
}
