/** Tables of runs: what is a column, what it is called, and that any of them fits the terminal. */
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { Cell, Row } from "../../../cli/compare/Rows.ts"
import * as Table from "../../../cli/compare/Table.ts"

const row = (
  runId: string,
  params: Readonly<Record<string, Cell>>,
  metrics: Readonly<Record<string, Cell>>,
  variant = ""
): Row => ({
  runId,
  sweep: undefined,
  state: "finished",
  variant,
  params: new Map(Object.entries(params)),
  ofVariants: new Map(
    Object.keys(params).flatMap((name) => (name.includes("(") ? [[name, name.replace(/\(.*\)/u, "")] as const] : []))
  ),
  metrics: new Map(Object.entries(metrics))
})

describe("columns", () => {
  it("are parameters that differ, and metrics, by the shortest ends of their names", () => {
    const table = Table.of([
      row(
        "a",
        { "train.lr": 0.1, "train.size": 3, "train.loss": "mse" },
        { "train.scores.loss": 1, "eval.scores.acc": 1 }
      ),
      row("b", { "train.lr": 0.2, "train.size": 3, "train.loss": "mae" }, { "train.scores.loss": 2 })
    ])
    expect(table.columns.map(({ label }) => label)).toEqual(["lr", "train.loss", "scores.loss", "acc"])
  })

  it("are one for all variants where these have the same in each row", () => {
    const rows = [1, 2].map((lr) =>
      row("a", { "train(bn).lr": lr, "train(nobn).lr": lr, "train(bn).n": lr, "train(nobn).n": 1 }, {})
    )
    expect(Table.of(rows).columns.map(({ name }) => name)).toEqual(["train(bn).n", "train.lr"])
    const alone = [row("a", { "train(bn).lr": 1, "train(nobn).lr": 1 }, {}), row("b", { "train(bn).lr": 2 }, {})]
    expect(Table.of(alone).columns.map(({ name }) => name)).toEqual(["train(bn).lr"])
  })

  it("do not differ by rows that have no such parameter", () => {
    const rows = [row("a", { "train.lr": 0.1 }, {}), row("a", {}, {}, "bn")]
    expect(Table.of(rows).columns).toEqual([])
    expect(Table.of(rows, { all: true }).columns).toHaveLength(1)
  })
})

describe("chosen columns", () => {
  const table = Table.of(
    [row("a", { "train.lr": 0.1 }, { "eval.m.bn.acc": 1, "eval.m.bn.loss": 2, "eval.m.nobn.acc": 3 })],
    { all: true }
  )
  const labels = (names: ReadonlyArray<string>) =>
    Effect.runPromise(Effect.map(Table.chosen(table, names), ({ columns }) => columns.map(({ label }) => label)))

  it("are called so, or belong to a record that is, in the order asked for and once", async () => {
    expect(await labels(["nobn.acc", "lr"])).toEqual(["nobn.acc", "lr"])
    expect(await labels(["bn", "bn.acc"])).toEqual(["bn.acc", "loss"])
    expect(await labels(["acc"])).toEqual(["bn.acc", "nobn.acc"])
  })

  it("are refused if there are none", async () => {
    await expect(labels(["los"])).rejects.toThrow(
      '--columns los: expected one of the columns lr, bn.acc, loss, nobn.acc, but found "los". Did you mean "loss"?'
    )
    const wide = Table.of([row("a", {}, Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`s.m.m${at}`, 1])))])
    await expect(Effect.runPromise(Table.chosen(wide, ["m99"]))).rejects.toThrow(
      /one of the 30 columns that .* but found "m99"\. Did you mean "m9"\?/u
    )
  })
})

describe("rows", () => {
  const table = Table.of(
    [3, null, 1, 2, 10].map((loss, at) =>
      row(`run${at}`, { "train.name": `n${loss}` }, loss === null ? {} : { "train.m.loss": loss })
    )
  )
  const order = async (by: string, descending: boolean) =>
    (await Effect.runPromise(Table.sorted(table, by, descending))).rows.map(({ runId }) => runId.slice(3)).join("")

  it("are sorted by numbers and by texts, those without a value last", async () => {
    expect(await order("loss", false)).toBe("23041")
    expect(await order("train.m.loss", true)).toBe("40321")
    expect(await order("name", false)).toBe("23041")
  })
})

describe("text", () => {
  const wide = Table.of(
    ["a", "b"].map((id) =>
      row(
        id.repeat(20),
        {},
        Object.fromEntries(Array.from({ length: 14 }, (_, at) => [`s.m.metric${at}`, Math.PI * at]))
      )
    ),
    { all: true }
  )

  it("fits 80 columns, with every column in it", () => {
    const lines = Table.toText(wide, 80)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
    for (let at = 0; at < 14; at++)
      expect(lines.filter((line) => new RegExp(`metric${at}\\b`, "u").test(line))).toHaveLength(1)
    expect(lines.filter((line) => line.startsWith("run "))).toHaveLength(3)
    expect(lines.filter((line) => line.startsWith("a".repeat(20)))).toHaveLength(3)
  })

  it("is one line a row where there is no terminal", () => {
    expect(Table.toText(wide)).toHaveLength(3)
  })

  it("keeps wide characters in line, and cuts long texts", () => {
    const table = Table.of([
      row("a", { "s.p": "学習率" }, { "s.m.x": 1 }),
      row("b", { "s.p": "x".repeat(50) }, { "s.m.x": 22 })
    ])
    expect(Table.toText(table)).toEqual([
      "run  p                          x",
      "a    学習率                     1",
      `b    ${"x".repeat(23)}…  22`
    ])
  })

  it("of Markdown and CSV keeps its form whatever cells hold", () => {
    const table = Table.of([row("a", { "s.p": 'a|b, "c"' }, { "s.m.x": 1 / 3 }), row("b", { "s.p": "d" }, {})])
    expect(Table.toMarkdown(table)[2]).toBe('| a | a\\|b, "c" | 0.3333 |')
    expect(Table.toCsv(table).slice(1)).toEqual([`a,,finished,"a|b, ""c""",${1 / 3}`, "b,,finished,d,"])
  })
})
