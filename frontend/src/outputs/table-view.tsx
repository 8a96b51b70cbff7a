import { useMemo, useState } from "react";
import type { Table } from "../api/types.ts";
import { count } from "../lib/format.ts";

const pageRows = 50;

type Sort = { column: number; descending: boolean } | null;

/** Whether a value has the shape of `application/vnd.notebook.table+json`. */
export function isTable(value: unknown): value is Table {
  return (
    typeof value === "object" &&
    value !== null &&
    "columns" in value &&
    Array.isArray(value.columns) &&
    value.columns.every(isColumn) &&
    "rows" in value &&
    Array.isArray(value.rows) &&
    value.rows.every((row) => Array.isArray(row)) &&
    "total_rows" in value &&
    typeof value.total_rows === "number"
  );
}

function isColumn(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "type" in value &&
    typeof value.type === "string"
  );
}

/** A data frame: typed columns, sorted by a click on a head, paged. */
export function TableView({ table }: { table: Table }) {
  const [sort, setSort] = useState<Sort>(null);
  const [page, setPage] = useState(0);

  const order = useMemo(() => {
    const indices = table.rows.map((_, index) => index);
    if (sort === null) return indices;
    const direction = sort.descending ? -1 : 1;
    return indices.sort((a, b) => {
      const [left, right] = [table.rows[a]?.[sort.column], table.rows[b]?.[sort.column]];
      if (isMissing(left) || isMissing(right)) return Number(isMissing(left)) - Number(isMissing(right)) || a - b;
      return direction * compare(left, right) || a - b;
    });
  }, [table, sort]);

  const pages = Math.max(1, Math.ceil(order.length / pageRows));
  const current = Math.min(page, pages - 1);
  const shown = order.slice(current * pageRows, (current + 1) * pageRows);
  const partial = table.total_rows > table.rows.length;

  return (
    <div className="table-output">
      {/* Scrolls by keyboard too, so it can take the focus. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Data frame">
        <table>
          <thead>
            <tr>
              {table.columns.map((column, index) => {
                const sorted = sort?.column === index ? sort : null;
                return (
                  <th
                    key={index}
                    scope="col"
                    data-numeric={isNumeric(column.type)}
                    aria-sort={sorted ? (sorted.descending ? "descending" : "ascending") : "none"}
                  >
                    <button
                      type="button"
                      title={partial ? "Sorts the rows that are shown here" : "Sort"}
                      onClick={() => {
                        setPage(0);
                        setSort(
                          sorted === null
                            ? { column: index, descending: false }
                            : sorted.descending
                              ? null
                              : { column: index, descending: true },
                        );
                      }}
                    >
                      <span className="column-name">{column.name === "" ? "\u00a0" : column.name}</span>
                      <span className="column-type">
                        {column.type}
                        <span className="sort-mark" aria-hidden="true">
                          {sorted ? (sorted.descending ? " ↓" : " ↑") : ""}
                        </span>
                      </span>
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={row}>
                {table.columns.map((column, index) => (
                  <Value key={index} value={table.rows[row]?.[index]} numeric={isNumeric(column.type)} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="table-foot">
        <span>
          {count(table.total_rows, "row")} × {count(table.columns.length, "column")}
          {partial && `, the first ${table.rows.length.toLocaleString("en")} shown`}
        </span>
        {pages > 1 && (
          <span className="pager">
            <button
              type="button"
              disabled={current === 0}
              onClick={() => {
                setPage(current - 1);
              }}
            >
              Previous
            </button>
            <span>
              {current * pageRows + 1}–{Math.min(order.length, (current + 1) * pageRows)}
            </span>
            <button
              type="button"
              disabled={current === pages - 1}
              onClick={() => {
                setPage(current + 1);
              }}
            >
              Next
            </button>
          </span>
        )}
      </div>
    </div>
  );
}

function Value({ value, numeric }: { value: unknown; numeric: boolean }) {
  if (isMissing(value)) {
    return (
      <td data-numeric={numeric} className="missing">
        –
      </td>
    );
  }
  const text = words(value);
  return (
    <td data-numeric={numeric} title={text.length > 40 ? text : undefined}>
      {text.length > 400 ? `${text.slice(0, 400)}…` : text}
    </td>
  );
}

function isMissing(value: unknown): boolean {
  return value === null || value === undefined;
}

function isNumeric(type: string): boolean {
  return /^(u?int|float|complex|decimal|number|integer|double|numeric|real)/i.test(type);
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return words(a).localeCompare(words(b), "en", { numeric: true });
}

function words(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
