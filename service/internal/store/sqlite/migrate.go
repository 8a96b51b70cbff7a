package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storekit"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks our files (PRAGMA application_id, "RNbk"), so that a
// path to another program's database is refused instead of written to.
const applicationID = 0x524e626b

func steps() []string { return storekit.Migrations(migrations) }

// migrate brings the schema forward, each step whole or not at all. Services
// that start together on one file wait for each other.
func migrate(ctx context.Context, conn *sql.Conn, steps []string) error {
	for {
		again, err := migrateOne(ctx, conn, steps)
		if err != nil || !again {
			return err
		}
	}
}

func migrateOne(ctx context.Context, conn *sql.Conn, steps []string) (again bool, err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return false, fmt.Errorf("lock the schema: %w", err)
	}
	defer func() {
		end := "COMMIT"
		if err != nil {
			end = "ROLLBACK"
		}
		if _, endErr := conn.ExecContext(context.WithoutCancel(ctx), end); endErr != nil {
			err = errors.Join(err, fmt.Errorf("end the migration: %w", endErr))
		}
	}()

	var version, app, tables int
	if err := conn.QueryRowContext(ctx,
		"SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version, pragma_application_id").
		Scan(&version, &app, &tables); err != nil {
		return false, fmt.Errorf("read schema version: %w", err)
	}
	switch {
	case app != applicationID && (app != 0 || version != 0 || tables != 0):
		return false, errors.New("this file is another program's database: point STORE_URL at a file of its own")
	case storekit.CheckSchema(version, len(steps)) != nil:
		return false, storekit.CheckSchema(version, len(steps))
	case version == len(steps):
		return false, nil
	}
	step := version + 1
	if _, err := conn.ExecContext(ctx, steps[version]); err != nil {
		return false, fmt.Errorf("migrate schema to version %d: %w", step, err)
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, step)); err != nil {
		return false, fmt.Errorf("mark schema version %d: %w", step, err)
	}
	return true, nil
}
