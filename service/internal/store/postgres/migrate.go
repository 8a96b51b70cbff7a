package postgres

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storekit"
)

//go:embed migrations/*.sql
var migrations embed.FS

func steps() []string { return storekit.Migrations(migrations) }

// schemaLock is the advisory lock that services take to migrate ("RNbk").
const schemaLock = 0x524e626b

// migrate brings the schema forward, all steps or none. Services that start
// together on one database wait for each other.
func migrate(ctx context.Context, db beginner, steps []string) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", schemaLock); err != nil {
			return fmt.Errorf("lock the schema: %w", err)
		}
		// Not IF NOT EXISTS alone: that takes the right to create tables, also
		// where there is nothing to do.
		var version int
		var there bool
		err := tx.QueryRow(ctx, "SELECT to_regclass('notebook_schema') IS NOT NULL").Scan(&there)
		if err == nil && there {
			err = tx.QueryRow(ctx, "SELECT version FROM notebook_schema").Scan(&version)
		}
		if err != nil {
			return fmt.Errorf("read schema version: %w", err)
		}
		if err := storekit.CheckSchema(version, len(steps)); err != nil {
			return err
		}
		if version == len(steps) {
			return nil
		}
		if !there {
			if _, err := tx.Exec(ctx, "CREATE TABLE notebook_schema (version integer NOT NULL); INSERT INTO notebook_schema VALUES (0)"); err != nil {
				return fmt.Errorf("make the schema: %w", err)
			}
		}
		for i, step := range steps[version:] {
			if _, err := tx.Exec(ctx, step); err != nil {
				return fmt.Errorf("migrate schema to version %d: %w", version+i+1, err)
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE notebook_schema SET version = $1", len(steps)); err != nil {
			return fmt.Errorf("mark schema version %d: %w", len(steps), err)
		}
		return nil
	})
}

type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}
