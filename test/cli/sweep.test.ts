/** `op-pipe sweep` and `op-pipe table`: many settings side by side, each piece of work once, and what came out beside each other. */
import { existsSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import type { SweepEvent } from "../../core/run/sweep/SweepEvent.ts"
import { type Finished, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

/** `common` is the same for all settings; `train` measures, and fails at a rate above 1. */
const pipeline = (common = 'printf 1 > "$data"'): string => `
import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Data = Artifact.text({ tag: "Data/v1", path: "data.txt" })
const Scores = Artifact.json({ tag: "Scores/v1", path: "scores.json", schema: Schema.Unknown })
const common = Stage.command({ name: "common", command: ${JSON.stringify(common)}, inputs: {}, output: { data: Data } })
const train = Stage.command({
  name: "train",
  params: Schema.Struct({
    rate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.5))),
    note: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("x")))
  }),
  command: 'test "$rate" != 2 || { echo too fast; exit 3; }; sleep 0.3; printf "{\\\\"rate\\\\": %s, \\\\"test\\\\": {\\\\"loss\\\\": 1%s}, \\\\"list\\\\": [1]}" "$rate" "$rate" > "$scores"',
  inputs: { data: Data },
  output: { scores: Scores }
})
const made = Pipeline.step(common, { inputs: {} })
export default Pipeline.make({ name: "swept", metrics: [Scores], steps: [Pipeline.step(train, { inputs: { data: made.out.data } })] })
`

const base = temporaryFolder()
const texts: Array<string> = []
/** A project with nothing in it but its pipeline; that of one text is always in one folder. */
const newProject = (text = pipeline()): string => {
  if (!texts.includes(text)) texts.push(text)
  const root = path.join(base, String(texts.indexOf(text)))
  makeProject(root, undefined, { "pipeline.ts": text })
  return root
}

type SettingEvent = { readonly type: "SettingEvent"; readonly number: number; readonly event: RunEvent }
type Ended = { readonly type: "SweepFinished"; readonly id: string; readonly table: Shown }
interface Shown {
  readonly columns: ReadonlyArray<{ readonly name: string; readonly label: string }>
  readonly rows: ReadonlyArray<{ readonly state: string; readonly values: Readonly<Record<string, unknown>> }>
}

const said = (text: string): ReadonlyArray<SweepEvent | SettingEvent | Ended> =>
  text
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line))

/** The steps that were executed, with the numbers of their settings. */
const executed = (text: string): ReadonlyArray<string> =>
  said(text).flatMap((each) =>
    each.type === "SettingEvent" && each.event.type === "StepExecuted" ? [each.event.step] : []
  )

const tableOf = ({ stdout }: Finished): Shown => {
  const last = said(stdout).at(-1)
  if (last?.type !== "SweepFinished") throw new Error(stdout)
  return last.table
}

describe("a sweep", () => {
  const root = newProject()
  const op = (...args: ReadonlyArray<string>) => opPipe(args, { cwd: root })
  const rates = ["sweep", "--set", "train.rate=0.1,2,0.3", "--set", "train.note=a,b", "--cores", "2"]
  let first: Finished
  beforeAll(async () => {
    await op("run")
    first = await op(...rates)
  })

  it("tries every combination, goes on after failures and tells of them at the end", () => {
    expect(first.code).toBe(1)
    expect(first.stderr).toBe("op-pipe: 2 of 6 settings failed\n")
    expect(first.stdout).toContain("✗ 3 of 6  train.rate=2 train.note=a  1 cached, 1 failed in ")
    expect(first.stdout).toContain("✓ 6 of 6  train.rate=0.3 train.note=b  1 executed, 1 cached in ")
    expect(first.stdout).toMatch(/All that it printed: op-pipe logs train --run \d{8}-\d{6}-[0-9a-f]{4}\n/u)
    const table = first.stdout.slice(first.stdout.indexOf("\n\n") + 2).split("\n\n")[0]
    expect(table).toBe(
      [
        "#  state     note  train.rate  scores.rate  loss",
        "1  finished  a            0.1          0.1  10.1",
        "2  finished  b            0.1          0.1  10.1",
        "3  failed    a              2            -     -",
        "4  failed    b              2            -     -",
        "5  finished  a            0.3          0.3  10.3",
        "6  finished  b            0.3          0.3  10.3"
      ].join("\n")
    )
  })

  it("leaves outputs, the last results and the last run's settings as they are", async () => {
    expect((await op("read", "train")).stdout).toContain('"rate": 0.5')
    const status = await op("status")
    expect(status).toMatchObject({ stdout: "✓ common  fresh\n✓ train  fresh\n", stderr: "" })
  })

  it("makes nothing again, and its settings can be read and restored", async () => {
    const again = await op(...rates, "--json")
    expect(executed(again.stdout)).toEqual([])
    expect((await op("read", "train", "--run", "sweep/5")).stdout).toContain('"rate": 0.3')
    expect(await op("read", "train", "--run", "sweep/9")).toMatchObject({ code: 2 })
    expect(await op("restore", "sweep/1")).toMatchObject({ code: 0 })
    await op("run")
  })

  it("is a table again by its name, and distinct rows of all runs are one without", async () => {
    const { rows } = JSON.parse((await op("table", "--runs", "sweep", "--json")).stdout) as Shown
    expect(rows).toHaveLength(6)
    const all = JSON.parse((await op("table", "--json", "--sort", "loss", "--descending")).stdout) as Shown
    expect(all.rows.map(({ values }) => values["train.scores.test.loss"])).toEqual([10.5, 10.3, 10.3, 10.1, 10.1])
    expect(all.columns.map(({ label }) => label)).toEqual(["note", "train.rate", "scores.rate", "loss"])
  })

  it("writes tables for other programs", async () => {
    const csv = (await op("table", "--runs", "sweep", "--format", "csv")).stdout.split("\n")
    expect(csv[0]).toBe("run,variant,state,train.note,train.rate,train.scores.rate,train.scores.test.loss")
    expect(csv[3]).toMatch(/^\d{8}-\d{6}-[0-9a-f]{4},,failed,a,2,,$/u)
    expect((await op("table", "--format", "md")).stdout).toContain("| --- | --- | --: | --: | --: |\n")
    const refused = await op("table", "--sort", "lss")
    expect(refused).toMatchObject({ code: 2, stdout: "" })
    expect(refused.stderr).toContain('Did you mean "loss"?')
  })
})

describe("the columns of a sweep", () => {
  const schema = "Schema.Struct({ rate: Schema.Finite, test: Schema.Struct({ loss: Schema.Finite }) })"
  const declared = newProject(pipeline().replace("Schema.Unknown", schema))
  const sweep = (cwd: string, ...args: ReadonlyArray<string>) =>
    opPipe(["sweep", "--set", "train.rate=0.1,0.3", ...args], { cwd })

  it.each([
    ["--sort", "lss", 'Did you mean "loss"?'],
    ["--columns", "loss,nte", 'Did you mean "note"?']
  ])("are refused before anything is run, if no run can have them: %s %s", async (flag, name, says) => {
    const refused = await sweep(declared, flag, name)
    expect(refused).toMatchObject({ code: 2, stdout: "" })
    expect(refused.stderr).toContain(says)
  })

  it("are told at the end where a document may hold anything, below the table", async () => {
    const told = await sweep(newProject(), "--sort", "lss")
    expect(told.code).toBe(2)
    expect(told.stdout).toMatch(/^1 +0\.1 +0\.1 +10\.1$/mu)
    expect(told.stderr).toContain('Did you mean "loss"?')
  })

  it("may be a parameter that is the same in all rows, to sort by", async () => {
    const same = await sweep(declared, "--sort", "note", "--json")
    expect(same.code, same.stderr).toBe(0)
    expect(tableOf(same).columns.map(({ label }) => label)).toEqual(["train.rate", "scores.rate", "loss"])
  })
})

describe("what settings have in common", () => {
  it("is executed once", async () => {
    const root = newProject(pipeline('sleep 0.5; printf 1 > "$data"'))
    const finished = await opPipe(["sweep", "--set", "train.rate=1,3,4,5", "--cores", "4", "--json"], { cwd: root })
    expect(executed(finished.stdout).toSorted()).toEqual(["common", "train", "train", "train", "train"])
    expect(finished.stdout).not.toContain("waiting for its result")
    expect(tableOf(finished).rows.map(({ values }) => values["train.rate"])).toEqual([1, 3, 4, 5])
    expect(existsSync(path.join(root, "outputs"))).toBe(false)
  })

  it("fails once, for all of them", async () => {
    const root = newProject(pipeline("echo tried >&2; sleep 0.3; exit 4"))
    const { code, stdout } = await opPipe(["sweep", "--set", "train.rate=1,3,4", "--cores", "2", "--json"], {
      cwd: root
    })
    expect(code).toBe(1)
    const events = said(stdout).flatMap((each) => (each.type === "SettingEvent" ? [each.event] : []))
    expect(events.filter(({ type }) => type === "StepStarted")).toHaveLength(1)
    expect(events.filter(({ type }) => type === "StepFailed")).toHaveLength(3)
  })
})

describe("a killed sweep", () => {
  it("goes on where it was", async () => {
    const root = newProject()
    const args = ["sweep", "--set", "train.rate=1,3,4,5,6,7", "--cores", "1", "--json"]
    const ids: Array<string> = []
    for (let kills = 0; kills < 2; kills++) {
      const { stdout } = await opPipe(args, {
        cwd: root,
        onOutput: (text, kill) => {
          if (executed(text).filter((step) => step === "train").length >= 1) kill("SIGKILL")
        }
      })
      ids.push(...executed(stdout))
    }
    const last = await opPipe(args, { cwd: root })
    ids.push(...executed(last.stdout))
    expect(last.code).toBe(0)
    // the one that was under way when its process was killed was not finished
    expect(ids.toSorted()).toEqual(["common", ...Array.from({ length: 6 }, () => "train")])
    expect(tableOf(last).rows.map(({ values }) => values["train.scores.rate"])).toEqual([1, 3, 4, 5, 6, 7])
  })
})

describe("the settings", () => {
  let root = ""
  beforeAll(() => {
    root = newProject()
  })
  const op = (...args: ReadonlyArray<string>) => opPipe(["sweep", ...args], { cwd: root })
  const planned = async (...args: ReadonlyArray<string>) => (await op(...args, "--dry-run")).stdout

  it("are listed by a dry run, which makes nothing", async () => {
    expect(await planned("--set", "train.rate=0.1,0.2")).toBe(
      "2 settings\n1  train.rate=0.1  2 to execute, 0 fresh\n2  train.rate=0.2  2 to execute, 0 fresh\n"
    )
    expect(existsSync(path.join(root, ".op-pipe"))).toBe(false)
  })

  it("come from files", async () => {
    writeFileSync(path.join(root, "a.csv"), 'train.rate,train.note\r\n0.1,"a, ""b"""\r\n,c\r\n')
    writeFileSync(path.join(root, "a.json"), '[{ "train.rate": 0.1, "train.note": "1" }, { "train": { "rate": 3 } }]')
    expect(await planned("--from", "a.csv", "--set", "train.rate=7")).toContain(
      '1  train.rate=0.1 train.note=a, "b" train.rate=7'
    )
    expect(await planned("--from", "a.csv")).toContain("2  train.note=c  2 to")
    expect(await planned("--from", "a.json")).toBe(
      '2 settings\n1  train.rate=0.1 train.note="1"  2 to execute, 0 fresh\n2  train.rate=3  2 to execute, 0 fresh\n'
    )
  })

  it.each([
    [[], "expected settings to try, but found neither --set"],
    [["--set", "train.rate=a,b"], 'train.rate: expected a number, but found "a"'],
    [["--set", "train.rte=1,2"], 'Did you mean "rate"?'],
    [["--set", "train.rate=1,,2"], "expected a value on both sides of a comma"],
    [["--set", 'train.note="a'], "expected brackets, braces and quotes that end"],
    [["--set", "train.rate=1..2"], "Ranges are for --random N"],
    [["--set", "train.rate=2..1", "--random", "3"], "expected a range from less to more"],
    [["--set", "train.rate=1", "--random", "3"], "expected a range or several values to draw from"],
    [["--random", "0", "--set", "train.rate=1..2"], "--random 0: expected a whole number from 1 on"],
    [["--from", "none.csv"], "--from none.csv: expected a file of settings, but: no such file or directory"],
    [["--from", "pipeline.ts"], "expected a file whose name ends in .json or .csv"]
  ])("%j are refused before anything runs", async (args, message) => {
    const { code, stdout, stderr } = await op(...args)
    expect(stderr).toContain(message)
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
  })
})
