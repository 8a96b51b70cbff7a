import { useMemo, useState } from "react";
import type { Table } from "../api/types.ts";
import { count } from "../lib/format.ts";

/** A page of a table has so many rows, and fewer of a wide one: so many values at most, but a few rows in any case. */
const pageRows = 50;
const pageValues = 2_500;
const fewestRows = 10;

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
    typeof value.total_rows === "number" &&
    (!("index_columns" in value) || typeof value.index_columns === "number")
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

/** How many rows a page of the table has. */
function pageSize(table: Table): number {
  return Math.min(pageRows, Math.max(fewestRows, Math.floor(pageValues / Math.max(1, table.columns.length))));
}

/** How many values are shown at once. */
export function valuesShown(table: Table): number {
  return Math.min(table.rows.length, pageSize(table)) * table.columns.length;
}

const rowHeight = 28;
const headHeight = 46;
const footHeight = 32;
/** Beyond it a table scrolls; as its style says. */
const tallest = 420;

/** About how tall the table is drawn, in px. */
export function tableHeight(table: Table): number {
  const rows = Math.min(table.rows.length, pageSize(table));
  return Math.min(tallest, headHeight + rows * rowHeight) + footHeight;
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

  const index = table.index_columns ?? 0;
  const size = pageSize(table);
  const pages = Math.max(1, Math.ceil(order.length / size));
  const current = Math.min(page, pages - 1);
  const shown = order.slice(current * size, (current + 1) * size);
  const partial = table.total_rows > table.rows.length;

  return (
    <div className="table-output">
      {/* Scrolls by keyboard too, so it can take the focus. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Data frame">
        <table>
          <thead>
            <tr>
              {table.columns.map((column, at) => {
                const sorted = sort?.column === at ? sort : null;
                return (
                  <th
                    key={at}
                    scope="col"
                    data-index={at < index}
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
                            ? { column: at, descending: false }
                            : sorted.descending
                              ? null
                              : { column: at, descending: true },
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
                {table.columns.map((column, at) => (
                  <Value key={at} value={table.rows[row]?.[at]} numeric={isNumeric(column.type)} index={at < index} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="table-foot">
        <span>
          {count(table.total_rows, "row")} × {count(table.columns.length - index, "column")}
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
              {(current * size + 1).toLocaleString("en")}–{Math.min(order.length, (current + 1) * size).toLocaleString("en")}
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

function Value({ value, numeric, index }: { value: unknown; numeric: boolean; index: boolean }) {
  const missing = isMissing(value);
  const text = missing ? "–" : words(value);
  const parts = {
    "data-numeric": numeric,
    className: missing ? "missing" : undefined,
    title: text.length > 40 ? text.slice(0, 2_000) : undefined,
    children: text.length > 400 ? `${text.slice(0, 400)}…` : text,
  };
  return index ? <th scope="row" {...parts} /> : <td {...parts} />;
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
