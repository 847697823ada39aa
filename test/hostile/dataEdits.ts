/** Edits of the data of a World, of what lies beside them, and of what tools leave there. */
import { utimesSync } from "node:fs"
import * as path from "node:path"
import { dataFolders, linkMark, program, programFolder, script } from "./World.ts"
import { copyAnew, type MakeEdit, pick, restamp } from "./worldEdit.ts"

export const ofData: ReadonlyArray<MakeEdit> = [
  ({ world, random }) => {
    world.files.set("a.txt", String(random.int(3)))
    return { what: "edit a file", named: "a.txt" }
  },
  ({ world, root, random }) => {
    const after = restamp(random, root, `${world.dataFolder}/a.txt`)
    world.files.set("a.txt", String(random.int(3)))
    return { what: "edit a file and set its times", named: "a.txt", after }
  },
  ({ world, random }) => {
    const name = `new${random.int(3)}.txt`
    if (!world.files.delete(name)) world.files.set(name, "3")
    return { what: "add or remove a file", named: name }
  },
  ({ world, random }) => {
    const name = `new${random.int(3)}.txt`
    const content = world.files.get(name)
    const other = `moved-${name}`
    if (content === undefined) return { what: "rename nothing" }
    world.files.delete(name)
    world.files.set(other, content)
    return { what: "rename a file", named: name }
  },
  ({ world }) => {
    const [a, b] = [world.files.get("a.txt")!, world.files.get("sub/b.txt")!]
    world.files.set("a.txt", b).set("sub/b.txt", a)
    return { what: "exchange the contents of two files", named: "a.txt" }
  },
  ({ world, random }) => {
    world.files.set("sub/l.txt", linkMark + pick(random, ["b.txt", "../a.txt", "nowhere.txt", "../../lake/a.txt"]))
    return { what: "have a link among the files lead elsewhere", named: "l.txt" }
  },
  ({ world, random }) => {
    world.files.set(".hidden", String(random.int(9)))
    return { what: "write a hidden file", named: ".hidden" }
  },
  ({ world, root, random }) => {
    const now = new Date(Date.now() - random.int(100_000))
    const file = path.join(root, world.dataFolder, "a.txt")
    return { what: "touch a file", after: () => utimesSync(file, now, now) }
  },
  ({ world, root }) => ({
    what: "copy the data anew",
    after: () => copyAnew(path.join(root, world.dataFolder))
  }),
  ({ world, random }) => {
    const file = `${world.dataFolder}/${pick(random, ["a.txt", "sub/b.txt", "new0.txt"])}`
    if (!world.executable.delete(file)) world.executable.add(file)
    return { what: "allow or forbid that a file is executed", named: path.posix.basename(file) }
  }
]

export const ofSurroundings: ReadonlyArray<MakeEdit> = [
  ({ world, random }) => {
    if (!world.files.delete("way")) {
      world.files.set("way", linkMark + pick(random, ["sub", "../lake", ".", "nowhere", "../lake/deep", "way"]))
    }
    return { what: "add or remove a link to a folder, to nowhere, or in a circle", named: "way" }
  },
  ({ world, random }) => {
    if (!world.files.delete("sub/up")) world.files.set("sub/up", linkMark + pick(random, ["..", ".", "../sub"]))
    return { what: "add or remove a link to a folder that it lies in", named: "up" }
  },
  ({ world, random, root }) => {
    const file = pick(random, Array.from(world.lake.keys()))
    const after = random.int(2) === 0 ? restamp(random, root, file) : undefined
    world.lake.set(file, String(random.int(3)))
    return { what: `edit ${file}`, named: ".txt", ...(after && { after }) }
  },
  ({ world, random }) => {
    if (!world.lake.delete("lake/new.txt")) world.lake.set("lake/new.txt", String(random.int(3)))
    return { what: "add or remove a file beside the data", named: "new.txt" }
  },
  ({ world, random }) => {
    const folder = pick(random, [world.dataFolder, `${world.dataFolder}/sub`, "lake"])
    const name = pick(random, [".DS_Store", "__pycache__/m.pyc", ".git/HEAD"])
    world.leftBehind.set(`${folder}/${name}`, String(random.int(9)))
    return { what: "have tools leave something beside the data" }
  },
  ({ world }) => {
    for (const file of world.leftBehind.keys()) if (!file.includes("__pycache__")) world.leftBehind.delete(file)
    return { what: "remove what tools left beside the data" }
  },
  ({ world }) => {
    const before = world.dataFolder
    const after = dataFolders.find((each) => each !== before)!
    const moved = (file: string) => file.replace(`${before}/`, `${after}/`)
    world.dataFolder = after
    world.executable = new Set(Array.from(world.executable, moved))
    world.leftBehind = new Map(Array.from(world.leftBehind, ([file, text]) => [moved(file), text]))
    return { what: "give the folder of the data another name" }
  },
  ({ world, random }) => {
    world.sourceName = pick(random, ["files", "pictures"])
    return { what: "call the data otherwise" }
  },
  () => ({ what: "move the project to another folder", moved: true }),
  ({ world, random }) => {
    world.environment.stray = random.int(9)
    return { what: "set a variable that nobody asks for" }
  },
  ({ world, random }) => {
    world.environment.asked = random.int(3)
    return { what: "set a variable that the pipeline reads", named: "parameter " }
  },
  ({ world, random, root }) => {
    const after = random.int(2) === 0 ? restamp(random, root, script) : undefined
    world.script.number = random.int(3)
    return { what: "edit a command's script", named: "input tool", ...(after && { after }) }
  },
  ({ world, serial }) => {
    world.script.remark = serial % 10
    return { what: "edit a comment of a command's script", named: "input tool" }
  },
  ({ world, random, root }) => {
    const after = random.int(2) === 0 ? restamp(random, root, `${programFolder}/${program}`) : undefined
    world.program.number = random.int(3)
    return { what: "edit a program on PATH", named: `program ${program}`, ...(after && { after }) }
  },
  ({ world, serial }) => {
    world.program.remark = serial % 10
    return { what: "edit a comment of a program on PATH", named: `program ${program}` }
  },
  ({ world }) => {
    if (!world.executable.delete(script)) world.executable.add(script)
    return { what: "allow or forbid that a command's script is executed", named: "input tool" }
  }
]
