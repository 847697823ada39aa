/**
 * The study itself, in its smallest profile, under what may befall it: killed in every stage, its store damaged, started twice
 * at once. It always ends with the bytes of an undisturbed run, and only what was unfinished is done again.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import type { RunEvent } from "../../core/run/RunEvent.ts"
import * as Random from "../../stages/lib/Random.ts"
import { events, eventsSoFar, lastEvent, opPipe, repository } from "../lib/cli.ts"
import { contents } from "../lib/runs.ts"
import { temporaryFolder } from "../lib/temporary.ts"
import { full, series, timeoutMs } from "./series.ts"

const root = temporaryFolder()
const at = (place: string): string => path.join(root, place)
const steps = ["augment", "compare", "gradstats", "logits", "split", "train@bn", "train@nobn"]

const pipeline = path.join(repository, "pipeline.ts")

const study = (place: string, more: Parameters<typeof opPipe>[1] = { cwd: root }) =>
  opPipe(
    [
      "run",
      "--file",
      pipeline,
      "--profile",
      "tiny",
      "--json",
      "--store",
      at(`${place}/store`),
      "--outputs",
      at(`${place}/outputs`)
    ],
    more
  )

/** All outputs; the speed of a training is no result. */
const outputs = (place: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(contents(at(`${place}/outputs`))).map(([name, text]) => [
      name,
      name.endsWith("history.json") ? text.replaceAll(/\s*"imagesPerSecond": ?[\d.]+,?/gu, "") : text
    ])
  )

let expected: Readonly<Record<string, string>> = {}
let tookMs: Readonly<Record<string, number>> = {}

beforeAll(async () => {
  const finished = await study("whole")
  expect(finished.stderr + finished.stdout.slice(-2000)).toContain('"RunFinished"')
  expect([...lastEvent(finished).executed].sort()).toEqual(steps)
  expected = outputs("whole")
  tookMs = Object.fromEntries(
    events(finished).flatMap((event) => (event.type === "StepExecuted" ? [[event.step, event.durationMs]] : []))
  )
}, timeoutMs)

/** Names of the steps that began or ended in a (possibly cut) output. */
const stepsOf = (stdout: string, type: RunEvent["type"]): ReadonlyArray<string> =>
  eventsSoFar(stdout).flatMap((event) => (event.type === type && "step" in event ? [event.step] : []))

/** The steps of which there are results: one may be there that nobody was told of before the kill. */
const committed = (name: string): ReadonlyArray<string> => {
  const folder = at(`${name}/store/v1/results`)
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".json"))
    .map((file) => readFileSync(path.join(folder, file), "utf8"))
    .map((record) => (JSON.parse(record.slice(record.indexOf("{"))) as { readonly step: string }).step)
}

/** A run on an empty store, killed so long after the step has begun. */
const killedAfter = async (step: string, afterMs: number) => {
  rmSync(at("killed"), { recursive: true, force: true })
  let handle: NodeJS.Timeout | undefined
  const finished = await study("killed", {
    cwd: root,
    onOutput: (text, kill) => {
      if (stepsOf(text, "StepStarted").includes(step)) handle ??= setTimeout(() => kill("SIGKILL"), afterMs)
    }
  })
  clearTimeout(handle)
  return finished
}

describe("SIGKILL while a step of the study is at work", () => {
  const random = Random.make(5, "kills")
  it.each(full ? ["split", "augment", "train@bn", "train@nobn", "gradstats", "logits", "compare"] : ["train@bn"])(
    "%s: the next run repeats the unfinished step alone and ends with the same bytes",
    async (step) => {
      let done: ReadonlyArray<string> = []
      // a step may be quicker than it was when its time was taken: then again, and earlier
      for (let share = random.between(0.1, 0.9); ; share /= 2) {
        const first = await killedAfter(step, share * tookMs[step]!)
        done = committed("killed")
        expect(done).toEqual(expect.arrayContaining([...stepsOf(first.stdout, "StepExecuted")]))
        if (first.code === null && !done.includes(step)) break
      }
      const second = await study("killed")
      expect(second.code, second.stderr).toBe(0)
      expect(lastEvent(second).executed.filter((each) => done.includes(each))).toEqual([])
      expect(lastEvent(second).executed).toContain(step)
      const found = outputs("killed")
      expect(Object.keys(found)).toEqual(Object.keys(expected))
      for (const [name, text] of Object.entries(expected)) expect(found[name] === text, name).toBe(true)
    },
    timeoutMs
  )
})

describe("a bit flipped below the store", () => {
  const flips = full ? 100 : 2
  it(
    `is never served and always healed (${flips} flips)`,
    async () => {
      const random = Random.make(6, "flips")
      cpSync(at("whole"), at("flipped"), { recursive: true })
      for (const flip of series("flips", flips)) {
        const files = readdirSync(at("flipped/store"), { recursive: true, encoding: "utf8" })
          .filter((name) => statSync(at(`flipped/store/${name}`)).isFile())
          .sort()
        const name = files[random.int(files.length)]!
        const bytes = readFileSync(at(`flipped/store/${name}`))
        if (bytes.length === 0) continue
        const place = random.int(bytes.length)
        bytes[place] = bytes[place]! ^ (1 << random.int(8))
        // whoever damages a store does not ask for permission
        rmSync(at(`flipped/store/${name}`))
        writeFileSync(at(`flipped/store/${name}`), bytes)
        rmSync(at("flipped/outputs"), { recursive: true, force: true })
        const healed = await study("flipped")
        const point = `flip ${flip}: byte ${place} of ${name}`
        expect(healed.code, point + healed.stderr).toBe(0)
        const found = outputs("flipped")
        expect(Object.keys(found), point).toEqual(Object.keys(expected))
        for (const [output, text] of Object.entries(expected))
          expect(found[output] === text, `${point}: ${output}`).toBe(true)
      }
      const verified = await opPipe(["cache", "verify", "--file", pipeline, "--store", at("flipped/store")], {
        cwd: root
      })
      expect(verified.code, verified.stdout + verified.stderr).toBe(0)
    },
    timeoutMs
  )
})

describe("two runs at once on an empty store", () => {
  it(
    "execute each step once, and both end well",
    async () => {
      const two = await Promise.all([study("two"), study("two")])
      expect(two.map(({ code }) => code)).toEqual([0, 0])
      expect(two.flatMap((each) => lastEvent(each).executed).sort()).toEqual(steps)
      const found = outputs("two")
      for (const [name, text] of Object.entries(expected)) expect(found[name] === text, name).toBe(true)
    },
    timeoutMs
  )
})
