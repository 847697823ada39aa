/**
 * A step that is up to date is skipped by the quick answer alone: that it is, and that whatever is no longer as the last run left it is
 * noticed all the same. The files are older than the clock's tick here, or nothing of them would be known.
 */
import { chmodSync, existsSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as Digest from "../../../../cache/identity/Digest.ts"
import { Disk } from "../../../../cache/store/Disk.ts"
import { Store } from "../../../../cache/store/Store.ts"
import { Artifact, Pipeline, Stage } from "../../../../core/index.ts"
import * as RunLog from "../../../../core/run/RunLog.ts"
import letters from "../../../fixtures/letters/pipeline.ts"
import { letterSteps, newPlace, type Place } from "../../../lib/place.ts"
import { contents, inStore } from "../../../lib/runs.ts"
import {
  blobsNamedIn,
  filesBelow,
  pastTheTick,
  ran,
  recordsOf,
  resultIn,
  succeeded
} from "../../../regressions/support.ts"

/** Runs until all that there is to know is known. */
const settle = async (pipeline: Pipeline.Pipeline, place: Place): Promise<void> => {
  await ran(pipeline, place)
  await pastTheTick()
  expect((await ran(pipeline, place)).executed).toEqual([])
}

const listing = () => {
  const listed: Array<string> = []
  const disk = Layer.effect(
    Disk,
    Effect.map(Disk, (each) => ({
      ...each,
      listFiles: (at) => {
        listed.push(at)
        return each.listFiles(at)
      }
    }))
  ).pipe(Layer.provide(Disk.layer))
  return { disk, listed: (place: Place) => listed.filter((at) => at.startsWith(place.outputs)) }
}

/** An edit that leaves a file's size and mtime. */
const editUnseen = (file: string, from: string, to: string): void => {
  const { atime, mtime } = statSync(file)
  writeFileSync(file, readFileSync(file, "utf8").replace(from, to))
  utimesSync(file, atime, mtime)
}

describe("a result that is up to date", () => {
  it("is found so by the quick answer alone, once its files are known", async () => {
    const place = newPlace()
    await ran(letters, place)
    const first = listing()
    await pastTheTick()
    await ran(letters, place, { disk: first.disk })
    expect(first.listed(place).length).toBeGreaterThanOrEqual(letterSteps.length)
    const second = listing()
    const { cached, events } = await ran(letters, place, { disk: second.disk })
    expect(second.listed(place)).toEqual([])
    expect(cached).toEqual(letterSteps)
    const restored = events.flatMap((event) => (event.type === "StepCached" ? [event.restored] : []))
    expect(restored).toEqual(letterSteps.map(() => false))
  })

  it.each<[string, (outputs: string) => void]>([
    ["edited, size and mtime kept", (outputs) => editUnseen(path.join(outputs, "words/words.json"), "hello", "jello")],
    ["removed", (outputs) => rmSync(path.join(outputs, "words/words.json"))],
    ["removed with its folder", (outputs) => rmSync(path.join(outputs, "print"), { recursive: true })],
    ["of another mode", (outputs) => chmodSync(path.join(outputs, "words/words.json"), 0o755)],
    ["joined by another", (outputs) => writeFileSync(path.join(outputs, "count@words/more"), "")],
    ["joined by a link", (outputs) => symlinkSync("words.json", path.join(outputs, "words/link"))]
  ])("has its files put back when one is %s", async (_, change) => {
    const place = newPlace()
    await settle(letters, place)
    const before = contents(place.outputs)
    const mode = statSync(path.join(place.outputs, "words/words.json")).mode
    change(place.outputs)
    const { cached, events } = await ran(letters, place)
    expect(cached).toEqual(letterSteps)
    expect(events.filter((event) => event.type === "StepCached" && event.restored)).toHaveLength(1)
    expect(contents(place.outputs)).toEqual(before)
    expect(statSync(path.join(place.outputs, "words/words.json")).mode).toBe(mode)
    expect(existsSync(path.join(place.outputs, "words/link"))).toBe(false)
  })

  it("gets back the mark that its files are op-pipe's", async () => {
    const place = newPlace()
    await settle(letters, place)
    const mark = path.join(place.outputs, ".laid-out/words")
    rmSync(mark)
    await ran(letters, place)
    expect(existsSync(mark)).toBe(true)
  })

  it("gets back the note that it is the last one, once that is found to be damaged", async () => {
    const place = newPlace()
    const options = { storeOf: letters.name }
    await ran(letters, place, options)
    await pastTheTick()
    await ran(letters, place, options)
    await pastTheTick()
    const [note] = filesBelow(path.join(place.store, "v1/last")).filter((each) => path.basename(each) === "words")
    chmodSync(note!, 0o644)
    const text = readFileSync(note!, "utf8")
    writeFileSync(note!, text.replace(/.$/u, "x"))
    const last = Effect.flatMap(Store, ({ results }) => results.last("words"))
    expect(Option.isNone(succeeded(await inStore(place, last, options)))).toBe(true)
    await ran(letters, place, options)
    expect(existsSync(note!) && readFileSync(note!, "utf8")).toBe(text)
    expect(Option.isSome(succeeded(await inStore(place, last, options)))).toBe(true)
  })

  it("is noted as the last one again when a run beside the last had noted another", async () => {
    const place = newPlace()
    const options = { storeOf: letters.name }
    const doing = <A>(effect: Effect.Effect<A, unknown, Store | Disk>) =>
      inStore(place, effect as Effect.Effect<A, never, Store | Disk>, options).then(succeeded)
    await ran(letters, place, options)
    await pastTheTick()
    const { keys } = await ran(letters, place, options)
    const record = (await doing(RunLog.list)).at(-1)!
    // what that run noted before the last one had ended, and its record, which comes after
    await doing(Effect.flatMap(Store, ({ results }) => results.noteLast("words", Digest.ofText("another"))))
    await pastTheTick()
    await doing(RunLog.write(record))
    await pastTheTick()
    await doing(RunLog.write({ ...record, runId: "20000101-000000-abcd" }))
    expect((await ran(letters, place, options)).executed).toEqual([])
    expect(await doing(Effect.flatMap(Store, ({ results }) => results.lastKey("words")))).toBe(keys["words"])
  })

  it.each<[string, (blob: string) => void]>([
    ["flipped", (blob) => writeFileSync(blob, readFileSync(blob).fill("#", 0, 1))],
    ["removed", (blob) => rmSync(blob)]
  ])("is made anew when a blob of it was %s, though its files are as they were", async (_, damage) => {
    const place = newPlace()
    await settle(letters, place)
    const before = contents(place.outputs)
    for (const step of letterSteps) {
      const [record] = recordsOf(place).filter((each) => resultIn(each).step === step)
      const [blob] = blobsNamedIn(place, record!)
      // so that it can be written to
      chmodSync(blob!, 0o644)
      damage(blob!)
      expect((await ran(letters, place)).executed).toEqual([step])
      expect(contents(place.outputs)).toEqual(before)
      for (const each of recordsOf(place).flatMap((name) => blobsNamedIn(place, name))) {
        expect(Digest.ofBytes(readFileSync(each))).toBe(path.basename(each))
      }
      await pastTheTick()
      await ran(letters, place)
    }
  })

  it("is the step's last, with which the next is compared", async () => {
    const place = newPlace({})
    const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
    const of = (salt: string) => {
      const stage = Stage.command({
        name: "salted",
        command: 'echo same > "$text"',
        inputs: {},
        output: { text: Text },
        env: { SALT: salt }
      })
      return Pipeline.make({ name: "salted", steps: [Pipeline.step(stage, { inputs: {} })] })
    }
    await settle(of("1"), place)
    // the same bytes, so that the files are as they were
    expect((await ran(of("2"), place)).executed).toEqual(["salted"])
    expect((await ran(of("1"), place)).cached).toEqual(["salted"])
    expect((await ran(of("3"), place)).reasons["salted"]).toEqual(['parameter env.SALT: "1" -> "3"'])
  })

  it("is told of every step that has it: two of one key have one result", async () => {
    const place = newPlace({})
    const text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
    const stage = Stage.command({ name: "same", command: 'echo same > "$text"', inputs: {}, output: { text } })
    const twins = Pipeline.make({
      name: "twins",
      steps: [Pipeline.step(stage, { variant: "a", inputs: {} }), Pipeline.step(stage, { variant: "b", inputs: {} })]
    })
    await settle(twins, place)
    const { cached, events } = await ran(twins, place)
    expect(cached).toEqual(["same@a", "same@b"])
    const steps = events.flatMap((event) => (event.type === "StepCached" ? [event.step] : []))
    expect(steps).toEqual(["same@a", "same@b"])
    expect(readFileSync(path.join(place.outputs, "same@b/text.txt"), "utf8")).toBe("same\n")
  })

  it("is made again all the same when it is forced, or verified", async () => {
    const place = newPlace()
    await settle(letters, place)
    expect((await ran(letters, place, { forced: ["words"] })).executed).toEqual(["words"])
    await pastTheTick()
    const { events } = await ran(letters, place, { verify: true })
    const verified = events.flatMap((event) => (event.type === "StepVerified" ? [event.step] : []))
    expect(verified.toSorted()).toEqual(letterSteps.toSorted())
  })

  it("has documents that are decoded, where no key says their schema", async () => {
    const place = newPlace({})
    const of = (schema: Schema.Codec<unknown, unknown>) => {
      const output = { value: Artifact.json({ tag: "Value/v1", path: "value.json", schema }) }
      const stage = Stage.command({ name: "count", command: `echo '{"n":1}' > "$value"`, inputs: {}, output })
      return Pipeline.make({ name: "schemas", steps: [Pipeline.step(stage, { inputs: {} })] })
    }
    await settle(of(Schema.Struct({ n: Schema.Int }) as Schema.Codec<unknown, unknown>), place)
    const { reasons } = await ran(of(Schema.Struct({ n: Schema.String }) as Schema.Codec<unknown, unknown>), place)
    expect(reasons["count"]).toEqual(["a stored document of the result no longer fits its schema"])
  })
})
