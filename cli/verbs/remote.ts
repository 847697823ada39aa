/** `op-pipe remote status|push|pull|keygen`: the shared cache. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import type * as Digest from "../../cache/identity/Digest.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import { displayName } from "../../core/pipeline/Step.ts"
import * as RunLog from "../../core/run/RunLog.ts"
import * as Pulling from "../../core/run/step/Pulling.ts"
import { wanted } from "../../core/run/Wanted.ts"
import { paint, printError, printLine } from "../Console.ts"
import { RunFailed, UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import type { Additions, Project } from "../Project.ts"
import * as Config from "../remote/Config.ts"
import * as Session from "../Session.ts"

const shared = { ...Flags.project, remote: Config.flags.remote, json: Flags.json }

/** The modules that speak to a shared cache; most verbs need none of them. */
const parts = Effect.promise(async () => {
  const [{ check }, Engines, Pull, Push, Signature] = await Promise.all([
    import("../../cache/remote/Settings.ts"),
    import("../../cache/remote/engine/Engines.ts"),
    import("../../cache/remote/Pull.ts"),
    import("../../cache/remote/Push.ts"),
    import("../../cache/remote/format/Signature.ts")
  ])
  return { check, Engines, Pull, Push, Signature }
})

/** The shared cache that is configured. Fails if there is none. */
const open = Effect.fnUntraced(function* (
  { root }: Project,
  flags: Omit<Config.RemoteFlags, "remoteWrite">,
  write: boolean
) {
  const settings = yield* Config.settings(root, { remote: flags.remote, remoteWrite: false })
  if (settings === undefined) {
    const message = `expected a shared cache, but none is configured. Name one: --remote URL, or {"remote": {"url": "..."}} in op-pipe.json beside the pipeline`
    return yield* new UsageError({ message })
  }
  const { check, Engines } = yield* parts
  const checked = yield* check(write ? { ...settings, write } : settings)
  return { checked, engine: yield* Engines.of(checked) }
})

const status = Command.make(
  "status",
  { ...shared, remoteWrite: Config.flags.remoteWrite },
  Effect.fn("cli.remote.status")(function* (flags) {
    const { checked, engine } = yield* Session.withStore(flags, (project) => open(project, flags, flags.remoteWrite))
    const startedMs = performance.now()
    // no key is this
    const nothing = "0".repeat(64) as Digest.Digest
    const asked = yield* Effect.result(engine.fetch("ac", nothing, () => Effect.void))
    const latencyMs = Math.round(performance.now() - startedMs)
    const problem = asked._tag === "Failure" ? asked.failure.message : null
    const { signer, trust, settings } = checked
    const [write, signedBy] = [settings.write === true, signer?.publicKey ?? null]
    if (flags.json)
      yield* printJson("remote-status", { url: engine.address, problem, latencyMs, write, trust, signedBy })
    else {
      const mark = problem === null ? paint("green", "✓") : paint("red", "✗")
      yield* printLine(`${mark} ${engine.address}  ${problem ?? `can be read (${latencyMs} ms)`}`)
      const writing = write ? `yes, ${signedBy === null ? "unsigned" : `signed by ${signedBy}`}` : "no (--remote-write)"
      yield* printLine(`  uploads: ${writing}`)
      const believed = trust.length === 0 ? "whoever may write there" : trust.join(", ")
      yield* printLine(`  believed: ${believed}`)
    }
    if (problem !== null) return yield* new RunFailed({ fault: "stage", message: problem })
  })
).pipe(Command.withDescription("Ask the shared cache whether it can be read, and tell how it is configured"))

/** The results that `push` is about, by the names that people have for them. */
const toPush = Effect.fnUntraced(function* (run: string) {
  const record = yield* RunLog.find(run)
  const results = yield* Session.resultsOf(record)
  return { results, missing: Object.keys(record.keys).filter((id) => !results.has(id)) }
})

const listed = (ids: ReadonlyArray<string>): string => (ids.length === 0 ? "" : ` (${ids.map(displayName).join(", ")})`)

const push = Command.make(
  "push",
  {
    ...shared,
    run: Argument.String("run").pipe(
      Argument.withDescription("A run's id, the beginning of one, or last, last~1, ..., sweep/3; last unless given"),
      Argument.withDefault("last")
    ),
    again: Flags.toggle("again", "Upload what is there already too: signed anew, and what was removed from the cache")
  },
  Effect.fn("cli.remote.push")(function* (flags) {
    const { Pull, Push } = yield* parts
    const { pushed, present, missing } = yield* Session.withStore(flags, (project) =>
      Effect.gen(function* () {
        const { engine, checked } = yield* open(project, flags, true)
        const { results, missing } = yield* toPush(flags.run)
        const known = new Set<Digest.Digest>()
        const pushed: Array<string> = []
        const gone: Array<string> = []
        const one = Effect.fnUntraced(function* ([step, result]: readonly [string, StepResult]) {
          const isThere = !flags.again && (yield* Pull.isThere(engine, checked.trust, result))
          if (isThere) return
          const isWhole = yield* Push.push(engine, checked.signer, known, result).pipe(
            Effect.as(true),
            Effect.catchTag("Gone", () => Effect.succeed(false))
          )
          ;(isWhole ? pushed : gone).push(step)
        })
        yield* Effect.forEach(results, one, { concurrency: 4, discard: true })
        const present = Array.from(results.keys()).filter((id) => !pushed.includes(id) && !gone.includes(id))
        return { pushed, present, missing: [...missing, ...gone] }
      })
    )
    if (flags.json) return yield* printJson("remote-push", { pushed, present, missing })
    yield* printLine(`uploaded ${pushed.length}${listed(pushed)}; ${present.length} were there`)
    if (missing.length > 0) yield* printLine(`no longer in the store: ${missing.length}${listed(missing)}`)
  })
).pipe(Command.withDescription("Upload the results of a run to the shared cache, as far as they are not there"))

const pullResults = (additions: Pick<Additions, "flags">) =>
  Command.make(
    "pull",
    { ...shared, ...Flags.settings(additions), only: Flags.only },
    Effect.fn("cli.remote.pull")(function* (flags) {
      const tell = (text: string): void => Effect.runSync(printError(text))
      const { Pull } = yield* parts
      const found = yield* Session.withPrepared(
        flags,
        tell,
        (prepared, project) =>
          Effect.gen(function* () {
            const { engine, checked } = yield* open(project, flags, false)
            const { steps } = yield* wanted(prepared.pipeline, { only: flags.only, from: [], until: [], force: [] })
            const pull = (key: Digest.Digest) =>
              Effect.map(
                Pull.pull(engine, checked.trust, key, () => undefined),
                (pulled) => pulled === "taken"
              )
            return yield* Pulling.all(prepared, steps, pull)
          }),
        { mayMake: true }
      )
      if (flags.json) return yield* printJson("remote-pull", found)
      const { pulled, present, missing } = found
      yield* printLine(`downloaded ${pulled.length}${listed(pulled)}; ${present.length} were here`)
      if (missing.length > 0) yield* printLine(`not in the shared cache: ${missing.length}${listed(missing)}`)
    })
  ).pipe(Command.withDescription("Download the results that a run would use, and execute nothing"))

const keygen = Command.make(
  "keygen",
  { json: Flags.json },
  Effect.fn("cli.remote.keygen")(function* (flags) {
    const { Signature } = yield* parts
    const pair = Signature.generate()
    if (flags.json) return yield* printJson("remote-keygen", pair)
    yield* printLine(`Public key, for "trust" in op-pipe.json of all who read:\n  ${pair.publicKey}`)
    yield* printLine(
      `Signing key, a secret: the variable OP_PIPE_SIGNING_KEY where results are made to be shared:\n  ${pair.signingKey}`
    )
  })
).pipe(Command.withDescription("Make a pair of keys: one signs results, the other tells whom to believe"))

export const remote = (additions: Pick<Additions, "flags">) =>
  Command.make("remote").pipe(
    Command.withDescription("A cache that several machines share: look at it, upload, download, make keys"),
    Command.withSubcommands([status, push, pullResults(additions), keygen])
  )
