/** Random edits of a World: of its model, which is written to disk afterwards, or of files behind op-pipe's back. */
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import * as path from "node:path"
import type * as Random from "../../stages/lib/Random.ts"
import { ofData, ofSurroundings } from "./dataEdits.ts"
import {
  aliases,
  endings,
  helpers,
  isVouched,
  labelOf,
  type Module,
  type Package,
  places,
  published,
  type World
} from "./World.ts"
import { copyAnew, type MakeEdit, type Place, pick, restamp } from "./worldEdit.ts"

const stageOf = ({ world, random }: Place): number => random.int(world.stages.length)

const moduleOf = ({ world, random }: Place): readonly [file: string, module: Module] => pick(random, world.modules)

const changePackage = (world: World, folder: string, change: Partial<Package>): void => {
  world.packages.set(folder, { ...world.packages.get(folder)!, ...change })
}

const isEdited = ({ version, constant }: Package): boolean => constant !== version

const storeFolder = ({ root }: Place, name: string): string => path.join(root, "store/v1", name)

/** A module that imports nothing. */
const plain = { remark: 0, swapped: false, active: false, imports: [], importable: [] }

const ofCode: ReadonlyArray<MakeEdit> = [
  (place) => {
    const [file, module] = moduleOf(place)
    module.constant = place.random.int(9)
    return { what: "change a constant", named: `code: value in ${labelOf(file)}` }
  },
  (place) => {
    const [file, module] = moduleOf(place)
    const after = restamp(place.random, place.root, file)
    module.constant = place.random.int(9)
    return { what: "change a constant and set the file's times", named: `code: value in ${labelOf(file)}`, after }
  },
  ({ world, random }) => {
    const [file, module] = pick(
      random,
      Array.from(world.modules).filter(([file]) => !/^s\d/u.test(file))
    )
    module.active = !module.active
    return { what: "have a module do more when it is loaded, or less", named: labelOf(file) }
  },
  ({ world, random }) => {
    world.table.number = random.int(3)
    return { what: "change a number in a table", named: "code: " }
  },
  ({ world }) => {
    world.table.swapped = !world.table.swapped
    return { what: "put the keys of a table in another order", named: "code: " }
  },
  ({ world, random }) => {
    world.table.indent = random.int(3)
    return { what: "lay out a table otherwise" }
  },
  ({ world, random }) => {
    world.asset = String(random.int(3))
    return { what: "change a file that modules read", named: "code: " }
  },
  (place) => {
    const [file, module] = moduleOf(place)
    module.swapped = !module.swapped
    return { what: "have two statements change places", named: ` in ${labelOf(file)} changed` }
  },
  (place) => {
    const [, { imports }] = moduleOf(place)
    place.random.shuffle(imports)
    return { what: "put imports in another order", named: "code: " }
  },
  (place) => {
    const [, module] = moduleOf(place)
    const { importable, imports } = module
    if (importable.length === 0) return { what: "import nothing" }
    const each = pick(place.random, importable)
    module.imports = imports.includes(each) ? imports.filter((other) => other !== each) : [...imports, each]
    return { what: "add or remove an import", named: "code: " }
  },
  (place) => {
    for (const [, module] of [moduleOf(place), moduleOf(place)]) module.remark = place.serial
    return { what: "edit comments and types" }
  },
  ({ world, random }) => {
    world.links.set("lib/link.ts", pick(random, ["h2.ts", "h3.ts"]))
    return { what: "have a module's link lead elsewhere", named: "code: " }
  },
  ({ world, random }) => {
    world.links.set("lib/way", pick(random, ["../ways/a", "../ways/b"]))
    return { what: "have a folder's link lead elsewhere", named: "code: " }
  },
  ({ world, random }) => {
    const file = pick(random, endings)
    const others = endings.some((each) => each !== file && world.modules.has(each))
    if (!world.modules.has(file)) {
      world.modules.set(file, { constant: random.int(9), ...plain })
    } else if (others) world.modules.delete(file)
    return { what: "add or remove a module of the same name with another ending", named: "code: " }
  },
  ({ world, random }) => {
    world.reexports.set(pick(random, world.reexports.keys()), pick(random, helpers))
    return { what: "re-export another module's value", named: "code: " }
  },
  ({ root }) => ({ what: "copy modules anew", after: () => copyAnew(path.join(root, "ways")) })
]

const ofPackages: ReadonlyArray<MakeEdit> = [
  ({ world, random }) => {
    const name = pick(random, ["p0", "p1", "p6"])
    world.packages.set(`node_modules/${name}`, published(name, random.int(2)))
    return { what: "upgrade a package", named: `package ${name}` }
  },
  ({ world, random }) => {
    const folder = pick(random, places)
    const name = path.posix.basename(folder)
    if (world.packages.has(folder) && random.int(2) === 0) {
      // with what is installed in it
      for (const each of world.packages.keys()) {
        if (each === folder || each.startsWith(`${folder}/`)) world.packages.delete(each)
      }
    } else if (world.packages.has(path.posix.join(folder, "../..")) || !folder.includes("/p1/")) {
      world.packages.set(folder, published(name, random.int(2)))
    }
    return { what: `install or remove ${folder}`, named: "package p" }
  },
  ({ world, random }) => {
    const names = pick(random, [["p0"], ["p1"], ["p6"], aliases])
    const folders = Array.from(world.packages.keys()).filter((each) => names.includes(path.posix.basename(each)))
    const [a, b] = [pick(random, folders), pick(random, folders)]
    const [ofA, ofB] = [world.packages.get(a)!, world.packages.get(b)!]
    // what vouches for a package says nothing of edits
    if (world.locked && [ofA, ofB].some(isEdited)) return { what: "exchange nothing" }
    world.packages.set(a, ofB).set(b, ofA)
    return { what: `exchange what is installed at ${a} and at ${b}`, named: "package p" }
  },
  ({ world, random, root }) => {
    const folders = Array.from(world.packages.keys()).filter((each) => !isVouched(world, each))
    const folder = pick(random, folders)
    const after = random.int(2) === 0 ? restamp(random, root, `${folder}/index.js`) : undefined
    changePackage(world, folder, { constant: random.int(4) })
    return { what: `edit what is installed at ${folder}`, named: "package p", ...(after && { after }) }
  },
  ({ world, random }) => {
    world.links.set("node_modules/p2", `.pnpm/p2@${random.int(2)}/node_modules/p2`)
    return { what: "have a package's link lead to another version", named: "package p2" }
  },
  ({ world, random }) => {
    world.links.set("node_modules/p3", pick(random, ["../shared/a", "../shared/b"]))
    return { what: "link another package", named: "package p3" }
  },
  ({ world, random }) => {
    changePackage(world, pick(random, ["shared/a", "shared/b"]), { constant: random.int(3) })
    return { what: "edit a linked package", named: "package p3" }
  },
  ({ world, random }) => {
    changePackage(world, `node_modules/${pick(random, aliases)}`, { name: `real${random.int(2)}` })
    return { what: "install another package by the same name", named: "package " }
  },
  ({ world, random }) => {
    changePackage(world, "node_modules/p5", { constant: random.int(3) })
    return { what: "edit a package without a manifest", named: "package p5" }
  }
]

const ofSettings: ReadonlyArray<MakeEdit> = [
  (place) => {
    const stage = place.world.stages[stageOf(place)]!
    stage.param = place.random.int(3)
    const named = stage.command === undefined ? "parameter param" : "parameter env.PARAM"
    return { what: "change a parameter", named }
  },
  ({ world, random }) => {
    world.engine = random.int(3)
    return { what: "take another engine", named: "toolchain engine.version" }
  },
  (place) => {
    const stage = place.world.stages[stageOf(place)]!
    const at = place.random.int(stage.inputs.length + 1)
    stage.inputs = stage.inputs.map((input, index) =>
      index === at ? { ...input, output: input.output === "fine" ? "coarse" : "fine" } : input
    )
    return { what: "have a stage read another output" }
  },
  (place) => {
    const { command } = place.world.stages[stageOf(place)]!
    if (command === undefined) return { what: "edit no command" }
    if (place.random.int(2) === 0) command.remark = place.serial
    else command.swapped = !command.swapped
    return { what: "edit a comment of a command, or the order of keys that it writes", named: "parameter command" }
  },
  ({ world, random, earlier }) => {
    Object.assign(world, structuredClone(pick(random, earlier)))
    return { what: "put everything back as it was" }
  }
]

const ofOutputs: ReadonlyArray<MakeEdit> = [
  ({ root }) => {
    rmSync(path.join(root, "outputs"), { recursive: true, force: true })
    return { what: "delete all outputs" }
  },
  (place) => {
    const file = path.join(place.root, "outputs", `s${stageOf(place)}`, "fine.json")
    if (existsSync(file)) writeFileSync(file, "edited")
    return { what: "edit an output" }
  },
  (place) => {
    rmSync(path.join(place.root, "outputs", `s${stageOf(place)}`, "coarse.json"), { force: true })
    return { what: "delete an output" }
  },
  (place) => {
    const folder = path.join(place.root, "outputs", `s${stageOf(place)}`)
    if (existsSync(folder)) writeFileSync(path.join(folder, "stray.txt"), "stray")
    return { what: "put a file among the outputs" }
  },
  (place) => {
    const file = path.join(place.root, "outputs", `s${stageOf(place)}`, "fine.json")
    if (existsSync(file)) {
      renameSync(file, path.join(place.root, "elsewhere.json"))
      symlinkSync("../../elsewhere.json", file)
    }
    return { what: "put a link in an output's place" }
  }
]

const ofStore: ReadonlyArray<MakeEdit> = [
  (place) => {
    rmSync(storeFolder(place, "results"), { recursive: true, force: true })
    return { what: "delete all results", lost: "results" }
  },
  (place) => {
    const blobs = storeFolder(place, "blobs")
    for (const shard of readdirSync(blobs)) {
      if (place.random.int(3) === 0) rmSync(path.join(blobs, shard), { recursive: true })
    }
    return { what: "delete some blobs", lost: "some blobs" }
  },
  (place) => {
    rmSync(storeFolder(place, "memo"), { recursive: true, force: true })
    return { what: "delete the memo" }
  },
  (place) => {
    const [memo, kept] = [storeFolder(place, "memo"), path.join(place.root, "memo")]
    const now = path.join(place.root, "memo-now")
    if (existsSync(memo)) cpSync(memo, now, { recursive: true })
    if (existsSync(kept)) {
      rmSync(memo, { recursive: true, force: true })
      renameSync(kept, memo)
    }
    if (existsSync(now)) renameSync(now, kept)
    return { what: "put back an earlier memo" }
  },
  (place) => {
    const file = path.join(
      storeFolder(place, "memo"),
      pick(place.random, [...listed(storeFolder(place, "memo")), "none"])
    )
    if (existsSync(file)) {
      const bytes = readFileSync(file)
      if (bytes.length > 0) {
        const at = place.random.int(bytes.length)
        bytes[at] = bytes[at]! ^ (1 << place.random.int(8))
      }
      writeFileSync(file, bytes)
    }
    return { what: "flip a bit of the memo" }
  }
]

const listed = (folder: string): ReadonlyArray<string> =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => statSync(path.join(folder, name)).isFile())
        .sort()
    : []

const kinds = [ofData, ofSurroundings, ofCode, ofPackages, ofSettings, ofOutputs, ofStore]

/** Draws edits, mostly of the `favoured` kinds of things. */
const editorOf =
  (random: Random.Random, favoured: ReadonlyArray<ReadonlyArray<MakeEdit>>): MakeEdit =>
  (place) => {
    const made = pick(random, pick(random, random.int(4) === 0 ? kinds : favoured))(place)
    place.earlier.push(structuredClone(place.world))
    return made
  }

/** Edits of everything; in half of the sequences mostly of one or two kinds of things, so that states come about that only several edits of such things lead to. */
export const ofAll = (random: Random.Random): MakeEdit =>
  editorOf(random, random.int(2) === 0 ? kinds : [pick(random, kinds), pick(random, kinds)])

/** Edits mostly of what is executed. */
export const ofModules = (random: Random.Random): MakeEdit => editorOf(random, [ofCode, ofPackages])
