// Package postgresurl reads the addresses of PostgreSQL databases.
//
// It connects to nothing. Invariant: no error of its shows a password, however
// the URL is malformed.
package postgresurl

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const connectTimeout = 10 * time.Second // unless the URL has a connect_timeout

// Parse returns how to connect to postgres://USER:PASSWORD@HOST:PORT/DATABASE.
// Its error says nothing of the URL's secrets.
func Parse(address string) (*pgxpool.Config, error) {
	// What url.Parse says of a URL that it can't read quotes parts of it, and
	// of a password with a slash the part before it: say nothing of it here.
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && u.Query().Get("host") == "" ||
		u.User == nil && strings.ContainsRune(address, '@') { // cut short by a / ? or # in the password
		return nil, errors.New("is not a valid URL postgres://USER:PASSWORD@HOST:PORT/DATABASE; " +
			"percent-encode what is special in user and password")
	}
	if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
		return nil, errors.New("its port must be from 1 to 65535")
	}
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		var parse *pgconn.ParseConfigError
		reason := "has settings that are not valid"
		if errors.As(err, &parse) && parse.Unwrap() != nil {
			reason = "can't be used: " + parse.Unwrap().Error()
		}
		password, _ := u.User.Password()
		for _, secret := range []string{password, u.Query().Get("password"), u.Query().Get("sslpassword"), address} {
			if secret != "" && strings.Contains(reason, secret) {
				reason = "has settings that are not valid"
			}
		}
		return nil, errors.New(reason)
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "reactive-notebook"
	}
	return config, nil
}
