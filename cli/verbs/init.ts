/** `op-pipe init`: a first pipeline in this folder. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { reasonOf } from "../../cache/store/Disk.ts"
import { printLine } from "../Console.ts"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import { names, templates } from "../templates/Templates.ts"

/** For modules, of which the project's own are. */
const manifest = { "package.json": `${JSON.stringify({ private: true, type: "module" }, null, 2)}\n` }

const template = Flag.Literals("template", names).pipe(
  Flag.withDescription("What the steps are written in"),
  Flag.withDefault("shell")
)

/** Files that may be there already: then they stay as they are. */
const kept = new Set(["package.json", "text.txt"])

const parsed = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}

/**
 * The `package.json` that `npm install` makes in an empty folder, which holds dependencies alone, for modules: without a `type`
 * TypeScript takes them for CommonJS. Any other stays as it is.
 */
const asModules = (text: string): string => {
  const manifest = parsed(text)
  // Node tells what is wrong with it
  if (manifest === undefined) return text
  const isMadeByInstall = Object.keys(manifest).every((key) => key === "dependencies" || key === "devDependencies")
  return isMadeByInstall ? `${JSON.stringify({ private: true, type: "module", ...manifest }, null, 2)}\n` : text
}

export const init = Command.make(
  "init",
  { json: Flags.json, template },
  Effect.fn("cli.init")(function* ({ json, template: name }) {
    const files: Readonly<Record<string, string>> = { ...templates[name], ...manifest }
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
        for (const name of written) {
          mkdirSync(path.dirname(name), { recursive: true })
          writeFileSync(name, files[name]!, { flag: "wx" })
        }
        if (changed !== undefined && changed !== manifest) writeFileSync("package.json", changed)
      },
      catch: (cause) => new UsageError({ message: `init: expected a folder to write to, but: ${reasonOf(cause)}` })
    })
    if (json) return yield* printJson("init", { written })
    // of a package that is the project's own, the shell knows no such name
    const program = existsSync("node_modules/.bin/op-pipe") ? "npx op-pipe" : "op-pipe"
    yield* printLine(`Wrote ${written.join(", ")}. Next: ${program} run`)
  })
).pipe(Command.withDescription("Write a first pipeline.ts into this folder"))
