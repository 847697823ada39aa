/** `op-pipe init`: a first pipeline in this folder. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { printLine } from "../Console.ts"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"

/** One source, one step: the README's first pipeline. */
const pipeline = `import { Artifact, Pipeline, Stage } from "op-pipe"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const Counts = Artifact.file({ tag: "Counts/v1", path: "counts.txt" })
const command = 'tr -s "[:space:]" "\\\\n" < "$text" | sort | uniq -c | sort -rn > "$counts"'

export const count = Stage.command({ name: "count", command, inputs: { text: Text }, output: { counts: Counts } })

const text = Pipeline.source({ name: "text", artifact: Text, path: "text.txt" })
export default Pipeline.make({ name: "words", steps: [Pipeline.step(count, { inputs: { text: text.port } })] })
`

const files: Readonly<Record<string, string>> = {
  "pipeline.ts": pipeline,
  "text.txt": "the cat and the dog and the bird\n",
  "package.json": `${JSON.stringify({ private: true, type: "module" }, null, 2)}\n`
}

/** Files that may be there already: then they stay as they are. */
const kept = new Set(["package.json", "text.txt"])

/**
 * The `package.json` that `npm install` makes in an empty folder, which holds dependencies alone, for modules: without a `type`
 * TypeScript takes them for CommonJS. Any other stays as it is.
 */
const asModules = (text: string): string => {
  const manifest = JSON.parse(text) as Readonly<Record<string, unknown>>
  const isMadeByInstall = Object.keys(manifest).every((key) => key === "dependencies" || key === "devDependencies")
  return isMadeByInstall ? `${JSON.stringify({ private: true, type: "module", ...manifest }, null, 2)}\n` : text
}

export const init = Command.make(
  "init",
  { json: Flags.json },
  Effect.fn("cli.init")(function* ({ json }) {
    const there = Object.keys(files).filter((name) => existsSync(name))
    const inTheWay = there.find((name) => !kept.has(name))
    if (inTheWay !== undefined) {
      return yield* new UsageError({
        message: `init: expected a folder without a ${inTheWay}, but found one. Nothing was written. Run init in another folder`
      })
    }
    const written = Object.keys(files).filter((name) => !there.includes(name))
    yield* Effect.try({
      try: () => {
        const manifest = there.includes("package.json") ? readFileSync("package.json", "utf8") : undefined
        const changed = manifest === undefined ? manifest : asModules(manifest)
        for (const name of written) writeFileSync(name, files[name]!, { flag: "wx" })
        if (changed !== undefined && changed !== manifest) writeFileSync("package.json", changed)
      },
      catch: (cause) => new UsageError({ message: `init: the files cannot be written: ${String(cause)}` })
    })
    if (json) return yield* printJson("init", { written })
    yield* printLine(`Wrote ${written.join(", ")}. Next: op-pipe run`)
  })
).pipe(Command.withDescription("Write a first pipeline.ts into this folder"))
