/** compare on made-up logits of known quality: metrics, charts, and a report that stands on its own. */
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Page } from "playwright-core"
import sharp from "sharp"
import { beforeAll, describe, expect, it } from "vitest"
import { PackIndex } from "../../schemas/Augment.ts"
import { activationNames } from "../../schemas/activations/Activations.ts"
import { Metrics } from "../../schemas/Compare.ts"
import type { NetworkSpec } from "../../schemas/Network.ts"
import { augment } from "../../stages/augment.ts"
import { compare } from "../../stages/compare.ts"
import { gradstats } from "../../stages/gradstats.ts"
import * as Network from "../../stages/lib/network/Network.ts"
import * as Random from "../../stages/lib/Random.ts"
import * as LogitsTable from "../../stages/lib/tables/LogitsTable.ts"
import * as PenultimateTable from "../../stages/lib/tables/PenultimateTable.ts"
import * as Safetensors from "../../stages/lib/tables/Safetensors.ts"
import * as SeedLogitsTable from "../../stages/lib/tables/SeedLogitsTable.ts"
import { split } from "../../stages/split.ts"
import { temporaryFolder, writeFiles } from "../lib/temporary.ts"
import { falling, history, jagged } from "./lib/histories.ts"
import { runStage } from "./lib/runStage.ts"
import { browser, onPage, readers, violations } from "./lib/violations.ts"

const folder = temporaryFolder()
const at = (...names: ReadonlyArray<string>): string => path.join(folder, ...names)
/** A name that would break a page that does not escape, one that would widen a phone's page, and one of wide letters. */
const classes = ['<b>bold & "co"', "long".repeat(30), "花"]

let inputs: Record<string, string> = {}

const writeImages = async (): Promise<void> => {
  for (const name of classes) {
    for (let i = 0; i < 20; i++) {
      const random = Random.make(2, name, i)
      const small = Uint8Array.from({ length: 5 * 5 * 3 }, () => random.int(256))
      const png = await sharp(small, { raw: { width: 5, height: 5, channels: 3 } })
        .resize(40, 40)
        .png()
        .toBuffer()
      writeFiles(at("images"), { [path.join(name, `${i}.png`)]: png })
    }
    writeFiles(at("images"), { [path.join(name, "broken.png")]: "no image" })
  }
}

/** Logits that are right for a share of the images. */
const logitsOf = (index: PackIndex, share: number, seed: number): Float32Array => {
  const rows = (["train", "validation", "test"] as const).flatMap((name) =>
    index.splits[name].records.filter((record) => record.copy === 0)
  )
  const out = new Float32Array(rows.length * classes.length)
  for (const [row, { path: name, label }] of rows.entries()) {
    const random = Random.make(seed, name)
    const answer = random.float() < share ? label : (label + 1) % classes.length
    for (let k = 0; k < classes.length; k++)
      out[row * classes.length + k] = random.between(-1, 1) + (k === answer ? 3 : 0)
  }
  return out
}

/** Logits of the test images under the networks of `count` further seeds. */
const seedLogits = (index: PackIndex, count: number): Uint8Array => {
  const tested = index.splits.test.records.filter((record) => record.copy === 0)
  const of = (share: number, seed: number) => logitsOf(index, share, seed).slice(-tested.length * classes.length)
  return SeedLogitsTable.encode({
    classes: index.classes,
    paths: tested.map((record) => record.path),
    labels: Int32Array.from(tested, ({ label }) => label),
    seeds: Array.from({ length: count }, (_, i) => ({ bn: of(0.9, 10 + i), nobn: of(0.4, 20 + i) }))
  })
}

/** Values that tell the classes apart along one unit, with a little noise. */
const hiddenOf = (rows: ReadonlyArray<{ readonly path: string; readonly label: number }>, units: number) =>
  Float32Array.from(
    rows.flatMap(({ path: name, label }) => {
      const random = Random.make(4, name)
      return Array.from({ length: units }, (_, k) => (k === 0 ? 10 * label : 0) + random.float())
    })
  )

/** With BN the seed network, without a network that has no convolution. */
const specOf = (batchNorm: boolean): NetworkSpec =>
  batchNorm ? Network.preset("seed", { batchNorm }) : { name: "flat", layers: [{ type: "dense", units: "classes" }] }

const weightsOf = (batchNorm: boolean): Uint8Array => {
  const input = { size: 48, channels: 3, classes: classes.length }
  const shape = Result.getOrThrow(Network.resolve(specOf(batchNorm), input))
  return Safetensors.encode(
    Network.parametersOf(shape).map((each) => ({
      name: each.name,
      shape: each.shape,
      dtype: "F32",
      data: Network.initialValue(shape, each, 1)
    }))
  )
}

const network = (index: PackIndex, batchNorm: boolean): object => {
  const spec = specOf(batchNorm)
  const table = Result.getOrThrow(Network.layerTable(spec, { size: 48, channels: 3, classes: 3 }))
  const { rows } = table
  return {
    spec,
    size: 48,
    preparation: index.preparation,
    classes: index.classes,
    mean: [0.5, 0.5, 0.5],
    std: [0.2, 0.2, 0.2],
    table: rows.map(({ layer, outputShape, parameters }) => ({ layer, outputShape, parameters })),
    totalParameters: rows.reduce((sum, row) => sum + row.parameters, 0)
  }
}

const run = (stage: Parameters<typeof runStage>[0], options: Parameters<typeof runStage>[1]) =>
  Effect.runPromise(runStage(stage, options).pipe(Effect.provide(NodeServices.layer)))

beforeAll(async () => {
  await writeImages()
  const images = at("images")
  const { manifest } = await run(split, { inputs: { images }, to: at("split") })
  const packed = await run(augment, {
    params: { size: 48, trainSize: 0, copies: 1 },
    inputs: { images, manifest: manifest! },
    to: at("augment")
  })
  const index = Schema.decodeUnknownSync(Schema.fromJsonString(PackIndex))(readFileSync(packed["index"]!, "utf8"))
  const rows = (["train", "validation", "test"] as const).flatMap((name) =>
    index.splits[name].records.filter((record) => record.copy === 0).map((record) => ({ name, ...record }))
  )
  const table = LogitsTable.encode({
    classes: index.classes,
    paths: rows.map((row) => row.path),
    labels: Int32Array.from(rows, (row) => row.label),
    splits: rows.map((row) => row.name),
    bn: logitsOf(index, 1, 1),
    nobn: logitsOf(index, 0.3, 2)
  })
  const tested = rows.filter((row) => row.name === "test")
  const norm = (layer: string, epoch: number): number => (layer === "fc2" ? 0.1 : 1) / epoch
  const of = (loss: (epoch: number) => number) =>
    history(
      { epochs: 6, trainLoss: loss, validationLoss: loss, norm, validationAccuracy: (e) => e / 10 },
      index.classes
    )
  writeFiles(folder, {
    "bn.json": JSON.stringify(of(falling)),
    "nobn.json": JSON.stringify(of(jagged)),
    "bn-net.json": JSON.stringify(network(index, true)),
    "nobn-net.json": JSON.stringify(network(index, false)),
    "bn.safetensors": weightsOf(true),
    "nobn.safetensors": weightsOf(false),
    "logits.arrow": table,
    "seed-logits.arrow": seedLogits(index, 0),
    "seed-logits-2.arrow": seedLogits(index, 1),
    "penultimate.arrow": PenultimateTable.encode({
      classes: index.classes,
      paths: tested.map((row) => row.path),
      labels: Int32Array.from(tested, (row) => row.label),
      values: { bn: { units: 5, data: hiddenOf(tested, 5) }, nobn: { units: 0, data: new Float32Array(0) } }
    })
  })
  const { summary } = await run(gradstats, { inputs: { bn: at("bn.json"), nobn: at("nobn.json") }, to: at("grad") })
  inputs = {
    manifest: manifest!,
    index: packed["index"]!,
    shards: packed["shards"]!,
    bn: at("bn.json"),
    nobn: at("nobn.json"),
    bnNetwork: at("bn-net.json"),
    nobnNetwork: at("nobn-net.json"),
    bnWeights: at("bn.safetensors"),
    nobnWeights: at("nobn.safetensors"),
    gradstats: summary!,
    logits: at("logits.arrow"),
    seedLogits: at("seed-logits.arrow"),
    penultimate: at("penultimate.arrow")
  }
})

const compared = async (to: string, params: object = {}) => {
  const out = await run(compare, { params: { bootstrap: 200, ...params }, inputs, to: at(to) })
  const metrics = Schema.decodeUnknownSync(Schema.fromJsonString(Metrics))(readFileSync(out["metrics"]!, "utf8"))
  return { out, metrics, report: readFileSync(out["report"]!, "utf8") }
}

let made: ReturnType<typeof compared> | undefined
/** The report that most tests look at, made once. */
const usual = (): ReturnType<typeof compared> => {
  made ??= compared("usual")
  return made
}

describe("metrics", () => {
  it("have the pairs of classes that occur, and no cell for each pair that might", async () => {
    const { metrics } = await usual()
    for (const variant of ["bn", "nobn"] as const) {
      const { confusion, perClass } = metrics[variant]
      expect(confusion.reduce((sum, { images }) => sum + images, 0)).toBe(metrics.testImages)
      for (const [label, { support }] of perClass.entries()) {
        const row = confusion.filter((cell) => cell.label === label)
        expect(row.reduce((sum, { images }) => sum + images, 0)).toBe(support)
      }
    }
    // the network with BN makes no mistake here
    expect(metrics.bn.confusion.every(({ label, predicted }) => label === predicted)).toBe(true)
    expect(metrics.bn.confusion).toHaveLength(classes.length)
  })

  it("a perfect network against a poor one", async () => {
    const { metrics } = await usual()
    const accuracy = (variant: "bn" | "nobn"): number => metrics[variant].activations[1]!.scores.accuracy
    expect(accuracy("bn")).toBe(1)
    expect(accuracy("nobn")).toBeLessThan(0.8)
    expect(metrics.equivalence.verdict).toBe("different")
    expect(metrics.claims.map((claim) => claim.id)).toEqual([1, 2, 3, 4, 5, 6])
    expect(metrics.claims[2]!.verdict).toBe("not supported")
    expect(metrics.examples.length).toBe(Math.min(9, metrics.testImages))
    expect(metrics.bn.testSelected.epoch).toBe(6)
  })

  it("another activation changes what depends on it alone", async () => {
    const [a, b] = [await usual(), await compared("b", { activation: "sparsemax" })]
    expect(b.metrics.activation).toBe("sparsemax")
    expect(b.metrics.bn.activations).toEqual(a.metrics.bn.activations)
  })
})

describe("the report", () => {
  it("stands on its own: nothing is fetched, nothing is left unescaped, everything is there", async () => {
    const { report, metrics } = await usual()
    expect(report.length).toBeLessThan(5_000_000)
    expect(report).not.toMatch(/(src|href)="(https?:)?\/\//)
    expect(report).not.toMatch(/@import|url\(http/)
    expect(report).not.toContain("<b>bold")
    expect(report.replace(/base64,[^"]*/g, "")).not.toMatch(/\bNaN\b|\bundefined\b|\[object /)
    for (const id of ["summary", "data", "networks", "gradients", "logits", "activations", "errors", "claims"]) {
      expect(report).toContain(`<section id="${id}"`)
      expect(report).toContain(`href="#${id}"`)
    }
    for (const claim of metrics.claims) expect(report).toContain(`id="claim-${claim.id}"`)
    for (const name of activationNames) expect(report).toContain(`<strong>${name}</strong>`)
    // places for what the runner knows: of inputs that there are, each with a row to link to
    const places = Array.from(report.matchAll(/<!--op-pipe (\w+) [\w.]+-->/g), (match) => match[1]!)
    expect(new Set(places)).toEqual(new Set(["self", "run", "manifest", "index", "bn", "nobn", "gradstats", "logits"]))
    for (const [, of] of report.matchAll(/href="#(from-\w+)"/g)) expect(report).toContain(`id="${of}"`)
    expect(report).toContain("broken.png")
    // every image and every chart says what it is
    expect(report.match(/<img (?![^>]*alt=)/g)).toBeNull()
    const svgs = report.match(/<svg [^>]*>/g) ?? []
    expect(svgs.length).toBeGreaterThan(9)
    for (const svg of svgs) expect(svg).toMatch(/role="img" aria-label=/)
  })

  it("says for which activation the logits were trained that it compares", async () => {
    const { report } = await usual()
    expect(report).toContain("Both networks were trained by the cross-entropy of softmax.")
    expect(report).toContain("is not the best that sparsemax can do")
    expect(report).toContain("op-pipe run --file losses.ts")
  })

  it("shows what speaks for an answer, where a network has a convolution", async () => {
    const { out, metrics, report } = await usual()
    const predictions = report.slice(
      report.indexOf('<section id="predictions"'),
      report.indexOf('<section id="errors"')
    )
    const seen = predictions.match(/<img src="data:image\/jpeg;base64,[^"]+" alt="what speaks for [^"]+"/g) ?? []
    expect(seen).toHaveLength(metrics.examples.length)
    expect(new Set(seen).size).toBe(seen.length)
    // the network without BN has none here, so its answers stand alone
    const looked = report.slice(report.indexOf('<figure id="figure-lookedAt"'))
    const panels = looked.slice(0, looked.indexOf("<figcaption")).match(/<div class="three">.*?<\/div><\/div>/g) ?? []
    expect(panels).toHaveLength(classes.length)
    for (const panel of panels) expect(panel.match(/alt="what speaks for/g)).toHaveLength(1)
    for (const scheme of ["light", "dark"]) {
      expect(existsSync(path.join(out["figures"]!, `lookedAt-${scheme}.png`))).toBe(true)
    }
    expect(readFileSync(out["markdown"]!, "utf8")).toContain("figures/lookedAt-light.png")
  })

  it("has the contact sheet of the packed images, as a file beside report.md too", async () => {
    const { out } = await usual()
    const { width, height, format } = await sharp(path.join(out["figures"]!, "contact-sheet.png")).metadata()
    expect(format).toBe("png")
    // a row of each class: three originals with a copy each
    expect(height).toBe(classes.length * 78 + 6)
    expect(width).toBe(150 + 6 * 78 + 6)
    expect(readFileSync(out["markdown"]!, "utf8")).toContain("(figures/contact-sheet.png)")
  })

  it("maps test images by the last hidden layer, or says that a network has none", async () => {
    const { report } = await usual()
    expect(report).toContain("by the last hidden layer (5 units) of the network with BN")
    expect(report).toContain("by the logits of the network without BN, which has no hidden dense layer")
    // the one unit that tells the classes apart is the first component
    expect(/component 1 \((\d+) % of the variance\)/.exec(report)?.[1]).toMatch(/^(9[5-9]|100)$/)
  })

  it("is the same every time", async () => {
    expect((await compared("again")).report).toBe((await usual()).report)
  })

  it("has a short form in Markdown whose links lead to files of the steps", async () => {
    const { out, metrics, report } = await usual()
    const markdown = readFileSync(out["markdown"]!, "utf8")
    for (const { verdict } of metrics.claims) expect(markdown).toContain(`**${verdict}**`)
    expect(markdown).not.toContain("<b>bold")
    // one figure has one number, here and on the page
    const figures = Array.from(markdown.matchAll(/src="figures\/(\w+)-light\.\w+"><\/picture>\n\nFigure (\d+)\. /g))
    expect(figures.length).toBeGreaterThan(14)
    for (const [, name, number] of figures) expect(report).toContain(`href="#figure-${name}">Figure ${number}<`)
    const links = Array.from(
      markdown.matchAll(/\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"/g),
      (match) => (match[1] ?? match[2])!
    )
    expect(links.length).toBeGreaterThan(40)
    for (const link of links.filter((one) => !one.startsWith("../"))) {
      expect(existsSync(path.join(path.dirname(out["markdown"]!), link)), link).toBe(true)
    }
  })

  it("numbers its figures, links them, and has the data behind each as a table and a file", async () => {
    const { out, report } = await usual()
    const numbers = Array.from(report.matchAll(/href="#(figure-\w+)">Figure (\d+)</g), (match) => match.slice(1))
    expect(numbers.map(([, number]) => Number(number))).toEqual(numbers.map((_, i) => i + 1))
    expect(numbers.length).toBeGreaterThan(14)
    for (const [id] of numbers) expect(report).toContain(`<figure id="${id}">`)
    const links = Array.from(report.matchAll(/href="tables\/([\w-]+\.csv)"/g), (match) => match[1]!)
    for (const link of links) expect(existsSync(path.join(out["tables"]!, link)), link).toBe(true)
    for (const name of ["hero", "loss", "dead", "calibration", "mapBn", "classes", "mistakes", "claims", "epochs"]) {
      expect(links).toContain(`${name}.csv`)
    }
    // a finding, not a kind of chart
    expect(report).toMatch(/aria-label="Validation loss is least with BN after epoch \d/)
    const rows = readFileSync(path.join(out["tables"]!, "classes.csv"), "utf8").trimEnd().split("\r\n")
    expect(rows[0]).toBe("network,class,support,groups,precision,recall,f1")
    expect(rows).toHaveLength(1 + 2 * classes.length)
    expect(rows.some((row) => row.includes('"<b>bold & ""co"""'))).toBe(true)
  })

  it("comes with images that can be opened alone", async () => {
    const { out } = await usual()
    const figure = (name: string): string => path.join(out["figures"]!, name)
    for (const scheme of ["light", "dark"]) {
      for (const name of ["logits", "predictions"]) {
        expect((await sharp(figure(`${name}-${scheme}.png`)).metadata()).format).toBe("png")
      }
      for (const name of ["hero", "loss", "accuracy", "confusion", "calibration", "network", "dead"]) {
        const svg = readFileSync(figure(`${name}-${scheme}.svg`), "utf8")
        expect(svg).toMatch(/^<svg /)
        expect(svg).not.toContain("currentColor")
      }
    }
  })
})

describe("over seeds", () => {
  const replica = (file: string, accuracy: number, loss: (epoch: number) => number): string => {
    const made = history(
      { epochs: 6, trainLoss: loss, validationLoss: loss, norm: () => 1, validationAccuracy: () => accuracy },
      classes.slice().sort()
    )
    writeFiles(folder, { [file]: JSON.stringify(made) })
    return at(file)
  }
  const seeded = async (to: string) => {
    const more = {
      seedLogits: at("seed-logits-2.arrow"),
      "bnReplicas[2]": replica("bn2.json", 0.55, falling),
      "nobnReplicas[2]": replica("nobn2.json", 0.5, jagged)
    }
    const out = await run(compare, { params: { bootstrap: 200 }, inputs: { ...inputs, ...more }, to: at(to) })
    const metrics = Schema.decodeUnknownSync(Schema.fromJsonString(Metrics))(readFileSync(out["metrics"]!, "utf8"))
    return { out, metrics, report: readFileSync(out["report"]!, "utf8") }
  }

  it("says nothing of seeds when there is one", async () => {
    const { metrics, report, out } = await usual()
    expect("seeds" in metrics).toBe(false)
    expect(report).not.toContain("#seeds")
    expect(readFileSync(out["markdown"]!, "utf8")).not.toMatch(/over \d+ seeds|by seed|are seeds/i)
  })

  it("has bands, scores seed by seed and verdicts over all", async () => {
    const one = await usual()
    const { metrics, report, out } = await seeded("two seeds")
    expect(metrics.seeds).toMatchObject({ count: 2, sharedEpochs: 6 })
    // the first seed is epoch 6 of accuracy 0.6 in both networks
    expect(metrics.seeds!.bn.scores[0]!.values).toEqual([0.6, 0.55])
    expect(metrics.seeds!.differences[0]!.values.map((value) => Number(value.toFixed(6)))).toEqual([0, 0.05])
    // everything else is the first seed's, as it was
    const { seeds: _seeds, headline, ...rest } = metrics
    const { headline: first, ...alone } = one.metrics
    expect(rest).toEqual(alone)
    // one value a seed; the first seed's is as before
    expect(headline.map(({ metric, values }) => [metric, values.length])).toEqual([
      ["accuracy", 2],
      ["loss", 2],
      ["calibrationError", 2]
    ])
    for (const k of [1, 2]) expect(headline[k]!.values[0]).toBe(first[k]!.mean)
    expect(headline[0]).toMatchObject({ low95: metrics.seeds!.differences[0]!.total95.low, margin: 0.03 })
    expect(report).toContain('<section id="seeds"')
    expect(report).toContain('href="#seeds"')
    expect(report).toContain("Of 2 seeds")
    expect(report.replace(/base64,[^"]*/g, "")).not.toMatch(/\bNaN\b|\bundefined\b|\[object /)
    const areas = (svg: string): number => (svg.match(/mark-area/g) ?? []).length
    const drawn = (of: string, name: string): string => readFileSync(path.join(of, `${name}-light.svg`), "utf8")
    expect(existsSync(path.join(one.out["figures"]!, "seedLoss-light.svg"))).toBe(false)
    expect(areas(drawn(out["figures"]!, "seedLoss"))).toBeGreaterThan(0)
    expect(areas(drawn(out["figures"]!, "seedAccuracy"))).toBeGreaterThan(0)
    const markdown = readFileSync(out["markdown"]!, "utf8")
    expect(markdown).toContain("Over 2 seeds")
    for (const claim of metrics.seeds!.claims) expect(markdown).toContain(`**${claim.verdict}**`)
  })
})

/** An element of the page, as far as a test looks at it. */
interface Shot {
  readonly dataset: Readonly<Record<string, string>>
}

describe.skipIf(browser === undefined)("in a browser", () => {
  it("shows no error, asks nothing of the network, and fits a phone", async () => {
    const { out } = await usual()
    for (const { width, colorScheme } of [
      { width: 1280, colorScheme: "dark" },
      { width: 390, colorScheme: "light" }
    ] as const) {
      await onPage({ viewport: { width, height: 844 }, colorScheme }, async (page) => {
        const said: Array<string> = []
        page.on("console", (message) => said.push(message.text()))
        page.on("pageerror", (error) => said.push(String(error)))
        page.on("request", (request) => {
          if (!/^(file|data):/.test(request.url())) said.push(`request of ${request.url()}`)
        })
        await page.goto(`file://${out["report"]}`)
        // what scrolls sideways does so in itself, not the page
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width)
        expect(
          await page
            .locator("img")
            .evaluateAll((all) => all.filter((one) => !("naturalWidth" in one && one.naturalWidth)).length)
        ).toBe(0)
        expect(said).toEqual([])
      })
    }
  })
})

describe.skipIf(browser === undefined)("for every reader", () => {
  it.each(readers)("axe finds no violation at $width px, $colorScheme", async ({ width, colorScheme }) => {
    const { out } = await usual()
    await onPage({ viewport: { width, height: 900 }, colorScheme }, async (page) => {
      // as the run writes it: with what it knows
      const rendered = readFileSync(out["report"]!, "utf8").replaceAll(/<!--op-pipe (\w+) ([\w.]+)-->/g, "$1 $2")
      writeFiles(folder, { "rendered.html": rendered })
      await page.goto(`file://${at("rendered.html")}`)
      // wider than any screen, as the matrices of many classes are
      await page.evaluate("for (const svg of document.querySelectorAll('.chart svg')) svg.style.width = '1600px'")
      await page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
      expect(await violations(page)).toEqual([])
    })
  })
})

describe.skipIf(browser === undefined)("on paper", () => {
  /** What is seen of the page when it is printed by a reader of dark pages. */
  const printed = async <A>(javaScriptEnabled: boolean, use: (page: Page) => Promise<A>): Promise<A> => {
    const { out } = await usual()
    const viewport = { width: 720, height: 1000 }
    return onPage({ javaScriptEnabled, colorScheme: "dark", viewport }, async (page) => {
      await page.goto(`file://${out["report"]}`)
      await page.emulateMedia({ media: "print", colorScheme: "dark" })
      return await use(page)
    })
  }

  it.each([true, false])("is light, open and without controls, script: %s", async (script) => {
    await printed(script, async (page) => {
      if (script) await page.evaluate("dispatchEvent(new Event('beforeprint'))")
      const colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
      expect(await page.evaluate(colours)).toEqual(["rgb(255, 255, 255)", "rgb(29, 36, 44)"])
      expect(await page.locator("nav:visible, form:visible, .skip:visible, button:visible").count()).toBe(0)
      const folded =
        "[...document.querySelectorAll('details > :not(summary)')].filter((one) => !one.checkVisibility({ contentVisibilityAuto: true })).length"
      expect(await page.evaluate("document.querySelectorAll('details').length")).toBeGreaterThan(10)
      expect(await page.evaluate(folded)).toBe(0)
      expect(await page.locator("#mistakes figure:visible").count()).toBeGreaterThan(3)
      // nothing is cut off at the side of the sheet
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(720)
      const cut =
        "[...document.querySelectorAll('.scroll, .chart')].filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 200))"
      expect(await page.evaluate(cut)).toEqual([])
    })
  })

  it("is as it was after that: what was folded is folded", async () => {
    await printed(true, async (page) => {
      const open = "document.querySelectorAll('details[open]').length"
      const before = await page.evaluate(open)
      await page.evaluate("dispatchEvent(new Event('beforeprint'))")
      expect(await page.evaluate(open)).toBeGreaterThan(Number(before))
      await page.evaluate("dispatchEvent(new Event('afterprint'))")
      expect(await page.evaluate(open)).toBe(before)
    })
  })
})

describe.skipIf(browser === undefined)("the mistakes", () => {
  const opened = async <A>(options: { readonly javaScriptEnabled: boolean }, use: (page: Page) => Promise<A>) => {
    const { out } = await usual()
    return onPage(options, async (page) => {
      await page.goto(`file://${out["report"]}`)
      return await use(page)
    })
  }

  it("are all there without a script, in folds by what batch normalization changed", async () => {
    await opened({ javaScriptEnabled: false }, async (page) => {
      const { metrics } = await usual()
      const wrong = metrics.nobn.confusion.reduce(
        (sum, { label, predicted, images }) => sum + (label === predicted ? 0 : images),
        0
      )
      expect(await page.locator("#mistakes figure").count()).toBe(wrong)
      // the network with BN makes no mistake here
      expect(await page.locator("#mistakes summary").allTextContents()).toEqual([
        `BN mended: wrong without BN, right with it (${wrong})`
      ])
      expect(await page.locator("#mistakes form").isVisible()).toBe(false)
    })
  })

  it("are filtered by a cell of a matrix, by a pair, and by keyboard", async () => {
    await opened({ javaScriptEnabled: true }, async (page) => {
      const shown = () => page.locator("#mistakes figure:visible").count()
      const all = await shown()
      expect(await page.locator("#mistakes [role=status]").textContent()).toBe(`${all} of ${all} images`)
      const cell = page.locator('[data-network="nobn"] g[data-cell]').first()
      const images = Number(await cell.locator("text").textContent())
      expect(images).toBeLessThan(all)
      await cell.click()
      expect(await shown()).toBe(images)
      const pair = page.locator("a[data-cell]").first()
      await pair.focus()
      await page.keyboard.press("Enter")
      const label = (await pair.getAttribute("data-cell"))!.split(" ")[0]
      expect(await page.locator(`#mistakes figure:visible:not([data-label="${label}"])`).count()).toBe(0)
      await page.locator("#mistakes select[name=network]").selectOption("bn")
      expect(await shown()).toBe(0)
      await page.locator("#mistakes button[type=reset]").focus()
      await page.keyboard.press("Enter")
      await page.waitForFunction(`document.querySelectorAll("#mistakes figure").length === ${all}`)
      const confidences = await page
        .locator("#mistakes figure")
        .evaluateAll((figures) => figures.map((each) => Number((each as unknown as Shot).dataset["nobnConfidence"])))
      expect(confidences).toEqual([...confidences].sort((a, b) => b - a))
    })
  })
})

it.each(["logits", "seedLogits", "penultimate"])("refuses a table of %s that is none", async (input) => {
  for (const [name, content] of Object.entries({
    "no.arrow": "not arrow",
    "other.arrow": readFileSync(at(input === "logits" ? "penultimate.arrow" : "logits.arrow"))
  })) {
    writeFiles(folder, { [name]: content })
    await expect(run(compare, { inputs: { ...inputs, [input]: at(name) }, to: at("no") })).rejects.toThrow(
      /cannot be read/
    )
  }
})
