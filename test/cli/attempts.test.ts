/** Steps that take too long, and steps that are tried again (nextflow#387, nextflow#6549, GEMmaker#101). */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import { events, lastEvent, opPipe } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const root = path.join(temporaryFolder(), "project")

const pipeline = (stages: string, steps: string): string => `import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Text = Artifact.text({ tag: "Text/v1", path: "o.txt" })
${stages}
export default Pipeline.make({ name: "attempts", steps: [${steps}] })
`
/** Fails until it was called often enough; counts in a file of the user's. */
const flaky = (options: string) => `const flaky = Stage.command({
  name: "flaky",
  command: 'echo x >> "$PLACE/calls"; echo key $KEY; n=$(wc -l < "$PLACE/calls"); echo call $n; echo left >> o.txt; [ $n -ge $least ]; cp o.txt "$o"',
  params: Schema.Struct({ least: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3))) }),
  inputs: {},
  output: { o: Text },
  passEnv: ["PLACE"],
  secrets: ["KEY"],
  ${options}
})`
const flakyPipeline = (options: string, ofStep = "") =>
  pipeline(flaky(options), `Pipeline.step(flaky, { inputs: {}, ${ofStep} })`)

const make = (text: string): void => makeProject(root, undefined, { "pipeline.ts": text })
const run = (...args: ReadonlyArray<string>) =>
  opPipe(["run", "--json", "--sandbox", "off", ...args], { cwd: root, env: { PLACE: root, KEY: "abc-secret" } })
const calls = (): number => readFileSync(path.join(root, "calls"), "utf8").split("\n").length - 1

/** Whether a process was called with this argument. */
const isRunning = (argument: string): boolean =>
  readdirSync("/proc").some((name) => {
    try {
      return /^\d+$/u.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").includes(argument)
    } catch {
      return false
    }
  })

describe("retries", () => {
  it("try a failed step again, and a success is a success", async () => {
    make(flakyPipeline('retries: { times: 3, backoff: "10 millis" }'))
    const finished = await run()
    expect(finished.code, finished.stdout).toBe(0)
    const told = events(finished)
    expect(told.filter(({ type }) => type === "StepStarted")).toHaveLength(1)
    expect(told.flatMap((event) => (event.type === "StepRetried" ? [event] : []))).toMatchObject([
      {
        attempt: 1,
        of: 4,
        waitMs: 10,
        reason: expect.stringContaining("exit code 1. Its last words:\nkey ***\ncall 1")
      },
      { attempt: 2, of: 4, waitMs: 20 }
    ])
    expect(told.find(({ type }) => type === "StepExecuted")).toMatchObject({ attempts: 3 })
    // each attempt begins in an empty folder
    expect(readFileSync(path.join(root, "outputs/flaky/o.txt"), "utf8")).toBe("left\n")
    const shown = JSON.parse((await opPipe(["show", "last", "--json"], { cwd: root })).stdout)
    expect(shown.steps[0].provenance.failedAttempts).toHaveLength(2)
    expect(JSON.stringify(shown)).not.toContain("abc-secret")
    expect((await opPipe(["show", "last"], { cwd: root })).stdout).toContain("after 2 failed attempts")
    expect((await opPipe(["why", "flaky"], { cwd: root })).stdout).toContain("attempt 1 failed: its command ended")
    expect((await opPipe(["logs", "flaky"], { cwd: root })).stdout).toContain("call 1\nkey ***\ncall 2")
  })

  it("and limits are in no key, of a stage or of a step", async () => {
    make(flakyPipeline('retries: { times: 3, backoff: "1 milli" }'))
    await run()
    for (const text of [
      flakyPipeline(""),
      flakyPipeline('timeout: "1 hour"', 'timeout: "2 hours", retries: { times: 1 }')
    ]) {
      writeFileSync(path.join(root, "pipeline.ts"), text)
      expect(lastEvent(await run())).toMatchObject({ executed: [], cached: ["flaky"] })
    }
    expect(calls()).toBe(3)
  })

  it("of the step are those that hold, and an end tells how often it was tried", async () => {
    make(flakyPipeline("retries: { times: 9 }", 'retries: { times: 1, backoff: "1 milli" }'))
    const finished = await run()
    expect(finished.code).toBe(1)
    expect(events(finished).find(({ type }) => type === "StepFailed")).toMatchObject({ attempts: 2 })
    expect(calls()).toBe(2)
    expect(
      (
        await opPipe(["run", "--sandbox", "off", "--set", "flaky.least=9"], {
          cwd: root,
          env: { PLACE: root, KEY: "k" }
        })
      ).stdout
    ).toMatch(/↻ flaky {2}attempt 1 of 2 failed, it is tried again in 0\.0 s: its command[\s\S]*It was tried 2 times/u)
  })

  it("do not try again what is wrong with the input", async () => {
    make(
      pipeline(
        `export const bad = Stage.make({ name: "bad", source: import.meta.url, params: Schema.Struct({}), inputs: {}, output: { o: Text },
          retries: { times: 2 }, run: () => Effect.fail(new Stage.StageFailure({ reason: "no", badInput: true })) })`,
        "Pipeline.step(bad, { inputs: {} })"
      )
    )
    const finished = await run()
    expect(finished.code).toBe(2)
    expect(events(finished).map(({ type }) => type)).not.toContain("StepRetried")
  })
})

describe("a timeout", () => {
  it.each(["auto", "off"])("ends a command with all that it started (sandbox %s)", async (mode) => {
    const argument = `61.${process.pid}${mode.length}`
    make(
      pipeline(
        `const hang = Stage.command({ name: "hang", command: 'echo begun; (trap "" TERM; sleep ${argument}; sleep 1) & trap "" TERM; sleep ${argument}; echo x > "$o"',
          inputs: {}, output: { o: Text }, timeout: "1 second" })`,
        "Pipeline.step(hang, { inputs: {} })"
      )
    )
    const finished = await opPipe(["run", "--json", "--sandbox", mode], { cwd: root })
    expect(finished.code).toBe(1)
    expect(events(finished).find((event) => event.type === "StepFailed")).toMatchObject({
      reason: expect.stringContaining(
        "it was ended after 1s, its timeout. If it needs longer, give its stage or step a longer timeout. Its last words:\nbegun"
      )
    })
    expect(isRunning(argument)).toBe(false)
  })

  it("ends a module, whose next attempt goes on from its checkpoint", async () => {
    make(
      pipeline(
        `export const slow = Stage.make({ name: "slow", source: import.meta.url, params: Schema.Struct({}), inputs: {}, output: { o: Text },
          timeout: "3 seconds", retries: { times: 1, backoff: "1 milli" },
          run: ({ output, checkpoint }) => Effect.gen(function* () {
            const saved = yield* checkpoint.load
            if (saved === undefined) {
              yield* checkpoint.save(new TextEncoder().encode("half"))
              for (;;) {}
            }
            yield* output.o.write(new TextDecoder().decode(saved))
          }) })`,
        "Pipeline.step(slow, { inputs: {} })"
      )
    )
    const finished = await run()
    expect(finished.code, finished.stdout).toBe(0)
    expect(events(finished).find((event) => event.type === "StepRetried")?.reason).toContain("3s, its timeout")
    expect(readFileSync(path.join(root, "outputs/slow/o.txt"), "utf8")).toBe("half")
  })
})

describe("a declaration", () => {
  const Out = Artifact.text({ tag: "Out/v1", path: "out.txt" })
  const declare = (limits: object) => () =>
    Stage.command({ name: "c", command: ":", inputs: {}, output: { out: Out }, ...limits })

  it.each([
    [{ timeout: "soon" }, "expected timeout to be a time"],
    [{ timeout: 5 }, "but found 5"],
    [{ timeout: "0 seconds" }, "expected timeout to be a time"],
    [{ timeout: "Infinity" }, "expected timeout to be a time"],
    [{ retries: 2 }, "expected retries to be { times: 2"],
    [{ retries: { times: -1 } }, 'but found {"times":-1}'],
    [{ retries: { times: 1, backoff: "-1 seconds" } }, "expected backoff of retries to be a time"]
  ])("of %j is refused", (limits, problem) => {
    expect(declare(limits)).toThrow(problem)
    expect(() => Pipeline.step(declare({})(), { inputs: {}, ...(limits as object) })).toThrow(problem)
  })

  it("has its times typed", () => {
    // @ts-expect-error no unit
    expect(() => Stage.command({ name: "c", command: ":", inputs: {}, output: {}, timeout: "5" })).toThrow("a time")
    // @ts-expect-error no times
    expect(() => Stage.command({ name: "c", command: ":", inputs: {}, output: {}, retries: {} })).toThrow("retries")
  })
})
