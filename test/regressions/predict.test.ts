/** `op-pipe predict` on a network that was trained at one size and looked at after `augment` ran at another. */
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import sharp from "sharp"
import { beforeAll, describe, expect, it } from "vitest"
import * as Random from "../../stages/lib/Random.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"

const place = temporaryFolder()
const data = path.join(place, "data")
const bin = path.resolve("bin/op-pipe.cjs")

const opPipe = (args: ReadonlyArray<string>, input = ""): string =>
  execFileSync(process.execPath, [bin, ...args, "--store", path.join(place, "store")], {
    encoding: "utf8",
    input,
    stdio: ["pipe", "pipe", "ignore"]
  })

const study = (...more: ReadonlyArray<string>): string =>
  opPipe([
    ...["run", "--profile", "tiny", "--data", data, "--outputs", path.join(place, "outputs")],
    ...["--set", "images.perClass=0", "--set", "split.classes=0", "--engine", "cpu", ...more]
  ])

const answers = (...images: ReadonlyArray<string>): ReadonlyArray<{ readonly image: string; readonly top: unknown }> =>
  opPipe(["predict", "--json", ...images])
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly image: string; readonly top: unknown })

const wide = (name: string): Promise<Buffer> => {
  const random = Random.make(2, name)
  const small = Uint8Array.from({ length: 8 * 8 * 3 }, () => random.int(256))
  return sharp(small, { raw: { width: 8, height: 8, channels: 3 } })
    .resize(120, 40, { fit: "fill" })
    .png()
    .toBuffer()
}

describe("predict", () => {
  beforeAll(async () => {
    mkdirSync(data)
    for (const name of ["a", "b"]) {
      for (let i = 0; i < 8; i++) writeFiles(data, { [`${name}/${i}.png`]: await wide(`${name}${i}`) })
    }
    study("--set", "train.epochs=1", "--only", "train(bn)")
  }, 240_000)

  // images/12-predict-prepares-otherwise-than-trained
  it("prepares images as those that the network was trained on, whatever augment did since", {
    timeout: 120_000
  }, () => {
    const before = answers(path.join(data, "a", "3.png"))
    study("--only", "augment", "--set", "augment.fit=contain")
    expect(answers(path.join(data, "a", "3.png"))).toEqual(before)
  })

  // images/17-predict-a-folder-or-stdin
  it("takes folders", { timeout: 60_000 }, () => {
    expect(answers(path.join(data, "b")).map(({ image }) => path.relative(data, image))).toEqual(
      Array.from({ length: 8 }, (_, i) => path.join("b", `${i}.png`))
    )
  })

  it("takes standard input", { timeout: 60_000 }, () => {
    const image = path.join(data, "a", "3.png")
    const said = execFileSync(process.execPath, [bin, "predict", "--json", "-", "--store", path.join(place, "store")], {
      input: readFileSync(image),
      encoding: "utf8"
    })
    expect(JSON.parse(said)).toEqual({ ...answers(image)[0], image: "-" })
  })
})
