/**
 * A World on disk: its modules, packages, links and data as files.
 *
 * Modules really compute what the model says of them. Stages' modules do so too where `framework` is given; without it they
 * cannot be executed, and spare op-pipe the reading of the framework in each of thousands of projects.
 */
import { chmodSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { stageText } from "./stageText.ts"
import {
  asset,
  barrel,
  dataFolders,
  linkMark,
  type Module,
  nameInBarrel,
  outside,
  type Package,
  program,
  programFolder,
  script,
  table,
  type World,
  worker,
  workerFile
} from "./World.ts"
import { ownPackageValue, ownValue, tableValue } from "./worldValues.ts"

/** Before the text of a file that may be executed. */
const executableMark = "+x "

const importText = (specifier: string, index: number): string => {
  const name = nameInBarrel(specifier)
  if (name !== undefined) return `import { ${name} as i${index} } from "${specifier.split("#")[0]}"`
  if (specifier === asset)
    return `const i${index} = () => readFileSync(new URL("./asset.txt", import.meta.url), "utf8")`
  if (specifier === worker)
    return `const i${index} = () => inWorker((given) => new Worker(new URL("./work.ts", import.meta.url), given))`
  if (specifier.endsWith("table.json")) return `import i${index} from "${specifier}" with { type: "json" }`
  // it is not always installed
  if (specifier === "p7") {
    const instead = `({ value: ["absent"], call: () => ["absent"] })`
    return `const i${index} = await import("p7").catch(() => ${instead})`
  }
  return `import * as i${index} from "${specifier}"`
}

const isPackage = (specifier: string): boolean => /^p\d$/u.test(specifier)

const importedText = (specifier: string, index: number, active: boolean): string => {
  const name = nameInBarrel(specifier)
  if (name !== undefined) return `["${name}", i${index}(seen)]`
  if (specifier === asset) return `["asset", i${index}()]`
  if (specifier === worker) return `["worker", i${index}()]`
  if (specifier.endsWith("table.json")) return `["table", JSON.stringify(i${index})]`
  if (isPackage(specifier)) return active ? `called${index}` : `i${index}.value`
  return `i${index}.value(seen)`
}

/** Waits for what a worker says, as few programs do. */
const inWorker = [
  "const inWorker = (start) => {",
  "  const flag = new Int32Array(new SharedArrayBuffer(4))",
  "  const { port1, port2 } = new MessageChannel()",
  "  const worker = start({ workerData: { flag, port: port2 }, transferList: [port2] })",
  "  Atomics.wait(flag, 0, 0, 20_000)",
  "  const { message } = receiveMessageOnPort(port1)",
  "  worker.unref()",
  "  port1.close()",
  "  return message",
  "}"
]

const inTheWorker = [
  "workerData.port.postMessage(value())",
  "Atomics.store(workerData.flag, 0, 1)",
  "Atomics.notify(workerData.flag, 0)",
  "workerData.port.close()"
]

/** What happens when an active module is loaded, besides turns. */
const activity = (place: string, imports: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...imports.flatMap((each, index) => (isPackage(each) ? [`const called${index} = i${index}.call()`] : [])),
  "globalThis.entered ??= new Map()",
  `globalThis.entered.set(${place}, (seen) => value(seen))`
]

const moduleText = (file: string, module: Module, stage: ReadonlyArray<string>): string => {
  const { active, imports, swapped, remark } = module
  const isTyped = file.endsWith(".ts")
  const isStage = /^s\d+\.ts$/u.test(file)
  const [place, constant] = ownValue(file, module).map((each) => JSON.stringify(each))
  const imported = imports.map((each, index) => `, ${importedText(each, index, active)}`)
  const turns = ["first", "second"].map((name) => `const ${name} = ++turn`)
  const places = swapped ? ["const first = 2", "const second = 1"] : ["const first = 1", "const second = 2"]
  const usesWorker = imports.includes(worker) || file === workerFile
  return [
    `// remark ${remark}`,
    ...(imports.includes(asset) ? [`import { readFileSync } from "node:fs"`] : []),
    ...(usesWorker
      ? [`import { MessageChannel, receiveMessageOnPort, Worker, workerData } from "node:worker_threads"`]
      : []),
    ...imports.map(importText),
    ...(isTyped ? [`type Remark = ${remark}`] : []),
    ...(isStage || active ? ["let turn = 0", ...(swapped ? turns.toReversed() : turns)] : places),
    ...(active ? activity(place!, imports) : []),
    ...(imports.includes(worker) ? inWorker : []),
    // when it is loaded, a module that imports it may not be
    `export const value = (seen = new Set()) =>`,
    `  seen.has(${place}) ? [${place}] : [seen.add(${place}) && ${place}, ${constant}, first, second${imported.join("")}]`,
    ...(file === workerFile ? inTheWorker : []),
    ...stage,
    ""
  ].join("\n")
}

const packageFiles = (folder: string, each: Package): Readonly<Record<string, string>> => {
  const { name, version, imports } = each
  const own = ownPackageValue(folder, each)
    .map((part) => JSON.stringify(part))
    .join(", ")
  if (name === undefined) {
    return { [`${folder}/index.js`]: `exports.value = [${own}]\nexports.call = () => exports.value\n` }
  }
  const dependencies = Object.fromEntries(imports.map((each) => [each, "*"]))
  return {
    [`${folder}/package.json`]: JSON.stringify({ name, version: `1.${version}.0`, type: "module", dependencies }),
    [`${folder}/index.js`]: [
      ...imports.map((each, index) => `import * as i${index} from "${each}"`),
      `export const value = [${own}${imports.map((_, index) => `, i${index}.value`).join("")}]`,
      "export const call = () => value",
      ""
    ].join("\n")
  }
}

/** What npm notes of what it installed. */
const lockText = (world: World): string => {
  const installed = Array.from(world.packages).filter(
    ([folder, { name }]) => folder.startsWith("node_modules/") && !folder.includes("/.pnpm/") && name !== undefined
  )
  const entries = installed.map(([folder, { name, version }]) => [
    folder,
    { name, version: `1.${version}.0`, integrity: `sha512-${name}-${version}` }
  ])
  return JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(entries) })
}

const dataTexts = (world: World): ReadonlyMap<string, string> => {
  const { dataFolder, executable, files, lake, leftBehind, script: tool, program: called } = world
  const texts = new Map([...leftBehind, ...lake])
  for (const [name, content] of files) texts.set(`${dataFolder}/${name}`, content)
  texts.set(script, `# remark ${tool.remark}\necho ${tool.number}\n`)
  texts.set(
    `${programFolder}/${program}`,
    `${executableMark}#!/bin/sh\n# remark ${called.remark}\necho ${called.number}\n`
  )
  for (const [file, text] of texts) if (executable.has(file)) texts.set(file, executableMark + text)
  return texts
}

/** Path -> content, or where a link leads that has "-> " before it. */
const textsOf = (world: World, framework: string | undefined): ReadonlyMap<string, string> => {
  const texts = new Map([...dataTexts(world), ["package.json", `{"type":"module"}`] as const])
  texts.set(path.posix.join(outside, "../package.json"), `{"name":"outside","type":"module"}`)
  for (const [file, module] of world.modules) {
    const name = path.posix.basename(file, ".ts")
    const stage = world.stages.find((_, index) => file === `s${index}.ts`)
    texts.set(file, moduleText(file, module, framework && stage ? stageText(name, stage) : []))
  }
  const reexports = Array.from(world.reexports, ([name, helper]) => {
    return `export { value as ${name} } from "./${path.posix.basename(helper)}"\n`
  })
  texts.set(barrel, reexports.join(""))
  texts.set(table, JSON.stringify(tableValue(world), null, world.table.indent))
  texts.set("lib/asset.txt", world.asset)
  for (const [folder, each] of world.packages) {
    for (const [file, text] of Object.entries(packageFiles(folder, each))) texts.set(file, text)
  }
  if (world.locked) texts.set("node_modules/.package-lock.json", lockText(world))
  for (const [at, target] of world.links) texts.set(at, linkMark + target)
  if (framework !== undefined) {
    for (const each of ["core", "cache", "node_modules/effect", "node_modules/xxhash-wasm"]) {
      texts.set(each, linkMark + path.join(framework, each))
    }
  }
  return texts
}

/** Removes `file`, and the folders that are empty without it. */
const remove = (root: string, file: string): void => {
  rmSync(path.join(root, file))
  for (let folder = path.dirname(file); folder !== "." && folder !== ".."; folder = path.dirname(folder)) {
    if (readdirSync(path.join(root, folder)).length > 0) return
    rmdirSync(path.join(root, folder))
  }
}

/** Moves the folder of the data, if it has another name now. */
const moveData = ({ dataFolder }: World, root: string, written: Map<string, string>): void => {
  const before = dataFolders.find((each) => each !== dataFolder && written.has(`${each}/a.txt`))
  if (before === undefined) return
  renameSync(path.join(root, before), path.join(root, dataFolder))
  for (const [file, text] of Array.from(written)) {
    if (!file.startsWith(`${before}/`)) continue
    written.delete(file)
    written.set(`${dataFolder}/${file.slice(before.length + 1)}`, text)
  }
}

/** Writes a text; of one that differs by whether it may be executed, that alone. */
const writeText = (at: string, text: string, before: string | undefined): void => {
  const content = text.startsWith(executableMark) ? text.slice(executableMark.length) : text
  const isSame = before === content || before === executableMark + content
  if (!isSame) writeFileSync(at, content)
  if (before === undefined ? content !== text : before.startsWith(executableMark) !== (content !== text)) {
    chmodSync(at, content === text ? 0o644 : 0o755)
  }
}

/** Writes the world below `root`; only what differs from `written` is written. */
export const write = (world: World, root: string, written: Map<string, string>, framework?: string): void => {
  moveData(world, root, written)
  const texts = textsOf(world, framework)
  for (const [file, before] of Array.from(written)) {
    const text = texts.get(file)
    if (text === before) continue
    // a file in a link's place would be written where the link leads
    if (text === undefined || before.startsWith(linkMark) || text.startsWith(linkMark)) {
      remove(root, file)
      written.delete(file)
    }
  }
  for (const [file, text] of texts) {
    const before = written.get(file)
    if (text === before) continue
    const at = path.join(root, file)
    mkdirSync(path.dirname(at), { recursive: true })
    if (text.startsWith(linkMark)) symlinkSync(text.slice(linkMark.length), at)
    else writeText(at, text, before)
    written.set(file, text)
  }
}
