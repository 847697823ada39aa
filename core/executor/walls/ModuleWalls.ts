/**
 * ModuleWalls: what a sealed module sees: inputs, outputs and scratch in `/step`, as a command does (StepView); and at their own
 * paths the modules and packages that its key counts, the framework, what toolchains built, and its checkpoint.
 *
 * Node's permission model grants the same (Permissions), and all installed packages. That one stops Node's own calls and names the
 * file; the walls stop addons, programs, SQLite and links too. A package that does not count is not there, as if it were not installed.
 *
 * Gotcha: bubblewrap takes 9,000 arguments, so a stage of more than some 2,500 modules cannot be sealed; it fails, and says so.
 *
 * Gotcha: inputs that other steps made are links into the store, so all of its blobs are there, by names that nobody guesses.
 */
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Sandbox from "../Sandbox.ts"
import type { ModuleWork, StepTask } from "../StepTask.ts"
import { frameworkPackages } from "./FrameworkPackages.ts"
import * as Permissions from "./Permissions.ts"
import * as StepView from "./StepView.ts"

const isIn = (file: string, folders: ReadonlyArray<string>): boolean =>
  folders.some((folder) => file === folder || file.startsWith(`${folder}${path.sep}`))

/** The outermost of the real paths of what is there. */
const realPaths = (files: ReadonlyArray<string>): ReadonlyArray<string> => {
  const real = new Set(files.filter((file) => existsSync(file)).map((file) => realpathSync(file)))
  const sorted = Array.from(real).sort((a, b) => a.length - b.length)
  const kept: Array<string> = []
  for (const file of sorted) if (!isIn(file, kept)) kept.push(file)
  return kept
}

/** The folder of the step, which it finds as `/step`. */
const folderOf = ({ workdir }: StepTask): string => path.dirname(workdir)

/** Where a path in the step's folder is inside. */
const insideOf = (task: StepTask, file: string): string =>
  path.join(Sandbox.inside.step, path.relative(folderOf(task), file))

/** The task as its process finds things, `folder` being the one that it starts in. */
export const seen = (task: StepTask, isSealed: boolean): StepTask => ({
  ...task,
  inputs: StepView.pathsOf(task, folderOf(task), isSealed),
  outputDir: path.relative(folderOf(task), task.outputDir),
  workdir: path.relative(folderOf(task), task.workdir)
})

/** The task with the paths inside, absolute. */
export const inside = (task: StepTask): StepTask => {
  const { step } = Sandbox.inside
  const inputs = Object.entries(task.places).map(([name, place]) => [name, path.join(step, place)] as const)
  const [outputDir, workdir] = [insideOf(task, task.outputDir), insideOf(task, task.workdir)]
  return { ...task, inputs: Object.fromEntries(inputs), outputDir, workdir }
}

/** What Node asks of a manifest. */
const askedOfManifest = ["name", "type", "imports", "exports"]

/** The text of a manifest with nothing but what Node asks; nothing of one that cannot be read. */
const reduced = (manifest: string): string => {
  try {
    const fields = Object.entries(JSON.parse(readFileSync(manifest, "utf8")) as object)
    return JSON.stringify(Object.fromEntries(fields.filter(([name]) => askedOfManifest.includes(name))))
  } catch {
    return "{}"
  }
}

/** Manifests above the modules, without what a stage could read there and no key holds. */
const manifestsOf = (task: StepTask, work: ModuleWork, readable: ReadonlyArray<string>): Sandbox.Walls["readable"] => {
  const folder = path.join(folderOf(task), "manifests")
  mkdirSync(folder, { recursive: true })
  const above = realPaths(Permissions.manifestsAbove(work))
  return above
    .filter((file) => !isIn(file, readable) && !Sandbox.isProvided(file, Sandbox.hiddenFrom(task)))
    .map((file, index) => {
      const instead = path.join(folder, `${index}.json`)
      writeFileSync(instead, reduced(file))
      return [instead, file] as const
    })
}

/** The walls round the process of `work`; `compiled` is where Node keeps the code it compiled. */
export const wallsOf = (task: StepTask, work: ModuleWork, compiled: string | undefined): Sandbox.Walls => {
  const code = [...Permissions.codeOf(task, work, compiled), ...work.packages, ...frameworkPackages()]
  const blobs = path.resolve(task.workdir, "../../../blobs")
  const hidden = Sandbox.hiddenFrom(task)
  const readable = realPaths([...code, blobs, path.dirname(process.execPath)]).filter(
    (file) => !Sandbox.isProvided(file, hidden)
  )
  const own = [task.outputDir, task.workdir]
  const others = Permissions.writable(task, compiled).filter((file) => !own.includes(file))
  const view = StepView.of(task, folderOf(task))
  const scratch = insideOf(task, task.workdir)
  return {
    writable: [
      ...own.map((file) => [file, insideOf(task, file)] as const),
      ...others.map((file) => [realpathSync(file), realpathSync(file)] as const)
    ],
    ...view,
    readable: [
      ...readable.map((file) => [file, file] as const),
      ...manifestsOf(task, work, readable),
      ...view.readable,
      ...Sandbox.disguise(false)
    ],
    named: code,
    hidden,
    programs: work.spawns,
    network: false,
    env: Sandbox.scratchIn(scratch),
    cwd: Sandbox.inside.step
  }
}
