/**
 * Space: the settings of a sweep, from what is asked for: every combination of the values given, so many that are drawn, or those
 * of a file.
 *
 * Values stand behind a name, with commas between: `train.lr=0.001,0.01`. A comma within brackets, braces or double quotes of JSON is
 * part of its value: `train.sizes=[16,32],[64]`, `train.note="a, b",c`. A range, `0.001..0.1`, is for draws: uniform, or with `:log`
 * uniform in its logarithm; of whole numbers, if both of its ends are written as such.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { isRecord } from "../../../cache/identity/CacheKey.ts"
import type { Pipeline } from "../../pipeline/Pipeline.ts"
import * as Settings from "../../plan/Settings.ts"
import { SettingsError } from "../../plan/SettingsError.ts"
import { mostSettings } from "./Sweep.ts"

/** Assignments, as `--set` takes them. */
export type Setting = ReadonlyArray<string>

interface Range {
  readonly from: number
  readonly to: number
  readonly isWhole: boolean
  readonly isLog: boolean
}

/** One parameter and what it may be. */
interface Axis {
  readonly name: string
  readonly values: ReadonlyArray<string | Range>
}

const refused = (asked: string, expected: string, actual: string) => new SettingsError({ asked, expected, actual })

/** Cuts at commas that are in no brackets, braces or double quotes; undefined if one of these does not end. */
export const cutValues = (text: string): ReadonlyArray<string> | undefined => {
  const values = [""]
  let depth = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    const value = values.at(-1)!
    if (character === "," && depth === 0 && !isQuoted) {
      values.push("")
      continue
    }
    // outside of brackets a quote is one only where a value begins: 5" is a text
    if (character === '"' && (isQuoted || depth > 0 || value === "")) isQuoted = !isQuoted
    else if (!isQuoted && (depth > 0 || value === "") && "[{".includes(character)) depth++
    else if (!isQuoted && depth > 0 && "]}".includes(character)) depth--
    values[values.length - 1] = value + character
    if (isQuoted && character === "\\" && at + 1 < text.length) values[values.length - 1] += text[++at]!
  }
  return depth === 0 && !isQuoted ? values : undefined
}

const number = String.raw`[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?`
const rangePattern = new RegExp(`^(${number})\\.\\.(${number})(:log)?$`, "iu")
const wholePattern = /^[+-]?\d+$/u

/** The range that a value is, if it is one. */
const rangeOf = (text: string): Range | undefined => {
  const [, from, to, log] = rangePattern.exec(text) ?? []
  if (from === undefined || to === undefined) return undefined
  const isWhole = wholePattern.test(from) && wholePattern.test(to)
  return { from: Number(from), to: Number(to), isWhole, isLog: log !== undefined }
}

const axisOf = Effect.fnUntraced(function* (asked: string, known: ReadonlySet<string>) {
  const { target, path, text } = yield* Settings.parseAssignment(asked, known)
  const name = `${target}.${path.join(".")}`
  const cut = cutValues(text)
  if (cut === undefined)
    return yield* refused(`--set ${asked}`, "brackets, braces and quotes that end", "one that does not")
  if (cut.length > 1 && cut.includes(""))
    return yield* refused(`--set ${asked}`, "a value on both sides of a comma", 'none. An empty text is written as ""')
  const values = cut.map((each) => rangeOf(each) ?? each)
  for (const range of values) {
    if (typeof range === "string") continue
    const isInOrder = range.from < range.to && (!range.isLog || range.from > 0)
    if (!isInOrder)
      return yield* refused(`--set ${asked}`, `a range from less to more${range.isLog ? ", above 0" : ""}`, text)
  }
  return { name, values } satisfies Axis
})

const isRange = (value: string | Range): value is Range => typeof value !== "string"

/** Every combination, the last name's values first. */
const gridOf = Effect.fnUntraced(function* (axes: ReadonlyArray<Axis>) {
  const range = axes.find(({ values }) => values.some(isRange))
  if (range !== undefined)
    return yield* refused(`--set ${range.name}`, "values with commas between", "a range. Ranges are for --random N")
  const count = axes.reduce((product, { values }) => product * values.length, 1)
  if (count > mostSettings)
    return yield* refused("--set", `at most ${mostSettings} combinations`, `${count}. --random N tries some of them`)
  return axes.reduce<ReadonlyArray<Setting>>(
    (settings, { name, values }) =>
      settings.flatMap((setting) => values.map((value) => [...setting, `${name}=${value as string}`])),
    [[]]
  )
})

/** A number from 0 to 1 (excluded) that seed, draw and name alone decide: more draws leave the first ones as they are. */
const uniform = (seed: number, draw: number, name: string): number =>
  createHash("sha256")
    .update(JSON.stringify([seed, draw, name]))
    .digest()
    .readUIntBE(0, 6) /
  2 ** 48

/** Digits enough for any parameter, and few enough to read. */
const digits = 6

const drawIn = ({ from, to, isWhole, isLog }: Range, at: number): number => {
  if (isWhole && !isLog) return from + Math.floor(at * (to - from + 1))
  const value = isLog ? from * (to / from) ** at : from + at * (to - from)
  return isWhole ? Math.round(value) : Number(value.toPrecision(digits))
}

const drawOf = ({ name, values }: Axis, seed: number, draw: number): string => {
  const value = values[Math.floor(uniform(seed, draw, `${name} of`) * values.length)]!
  return `${name}=${isRange(value) ? drawIn(value, uniform(seed, draw, name)) : value}`
}

/** So many draws are made for one that is new, before there are none. */
const patience = 100

/** `count` different settings; fewer, if there are no more. */
const draws = Effect.fnUntraced(function* (axes: ReadonlyArray<Axis>, count: number, seed: number) {
  if (!axes.some(({ values }) => values.length > 1 || values.some(isRange))) {
    return yield* refused("--random", "a range or several values to draw from", "no --set with any")
  }
  const settings = new Map<string, Setting>()
  for (let draw = 0; settings.size < count && draw < count * patience; draw++) {
    const setting = axes.map((axis) => drawOf(axis, seed, draw))
    const identity = JSON.stringify(setting)
    if (!settings.has(identity)) settings.set(identity, setting)
  }
  return Array.from(settings.values())
})

/** The rows of comma-separated values (RFC 4180); undefined if a quote does not end. */
export const rowsOfCsv = (text: string): ReadonlyArray<ReadonlyArray<string>> | undefined => {
  const rows: Array<Array<string>> = [[""]]
  let isQuoted = false
  const body = text.replace(/^\ufeff/u, "").replace(/\r\n?/gu, "\n")
  for (let at = 0; at < body.length; at++) {
    const character = body[at]!
    const row = rows.at(-1)!
    if (isQuoted && character === '"' && body[at + 1] === '"') at++
    else if (character === '"' && (isQuoted || row.at(-1) === "")) {
      isQuoted = !isQuoted
      continue
    } else if (character === "," && !isQuoted) {
      row.push("")
      continue
    } else if (character === "\n" && !isQuoted) {
      rows.push([""])
      continue
    }
    row[row.length - 1] += character
  }
  return isQuoted ? undefined : rows.filter((row) => row.length > 1 || row[0] !== "")
}

const isRecords = (value: unknown): value is ReadonlyArray<Readonly<Record<string, unknown>>> =>
  Array.isArray(value) && value.every(isRecord)

/** `{ "train.lr": 0.1 }`, or as in a profile, `{ "train": { "lr": 0.1 } }`. */
const assignmentsIn = (record: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): Setting =>
  Object.entries(record).flatMap(([name, value]) =>
    known.has(name) && isRecord(value)
      ? Object.entries(value).map(([param, each]) => `${name}.${param}=${JSON.stringify(each)}`)
      : [`${name}=${JSON.stringify(value)}`]
  )

const ofJson = Effect.fnUntraced(function* (asked: string, text: string, known: ReadonlySet<string>) {
  const value = Result.try(() => JSON.parse(text) as unknown)
  const expected = 'a list of records such as [{ "train.lr": 0.1 }]'
  if (Result.isFailure(value)) return yield* refused(asked, expected, `no JSON (${String(value.failure)})`)
  if (!isRecords(value.success)) return yield* refused(asked, expected, "other JSON")
  return value.success.map((record) => assignmentsIn(record, known))
})

const ofCsv = Effect.fnUntraced(function* (asked: string, text: string) {
  const rows = rowsOfCsv(text)
  if (rows === undefined) return yield* refused(asked, "quotes that end", "one that does not")
  const [names = [], ...others] = rows
  const odd = others.findIndex((row) => row.length !== names.length)
  if (odd >= 0)
    return yield* refused(
      `${asked}, row ${odd + 2}`,
      `${names.length} cells, as in the first row`,
      `${others[odd]!.length}`
    )
  // an empty cell leaves its parameter as it is
  return others.map((row): Setting => row.flatMap((cell, at) => (cell === "" ? [] : [`${names[at]!.trim()}=${cell}`])))
})

interface SettingsFile {
  readonly name: string
  readonly text: string
}

/** The settings in a file, by the ending of its name. */
const ofFile = Effect.fnUntraced(function* ({ name, text }: SettingsFile, known: ReadonlySet<string>) {
  const asked = `--from ${name}`
  const isJson = /\.json$/iu.test(name)
  if (!isJson && !/\.csv$/iu.test(name)) {
    return yield* refused(asked, "a file whose name ends in .json or .csv", "another")
  }
  const settings = yield* isJson ? ofJson(asked, text, known) : ofCsv(asked, text)
  if (settings.length === 0) return yield* refused(asked, "at least one setting", "none")
  return settings
})

export interface Asked {
  readonly set: ReadonlyArray<string>
  /** Draw so many settings. */
  readonly random?: number | undefined
  readonly seed: number
  readonly from?: SettingsFile | undefined
}

/** The settings that are asked for, each once. Fails with `SettingsError`. */
export const settingsOf = Effect.fn("Space.settingsOf")(function* (pipeline: Pipeline, asked: Asked) {
  const { set, random, seed, from } = asked
  const known = Settings.targetNames(pipeline)
  const axes = yield* Effect.forEach(set, (each) => axisOf(each, known))
  const found = yield* random === undefined ? gridOf(axes) : draws(axes, random, seed)
  const rows = from === undefined ? [[]] : yield* ofFile(from, known)
  const settings = rows.flatMap((row) => found.map((setting) => [...row, ...setting]))
  if (settings.length > mostSettings)
    return yield* refused("sweep", `at most ${mostSettings} settings`, String(settings.length))
  return Array.from(new Map(settings.map((each) => [JSON.stringify(each), each])).values())
})
