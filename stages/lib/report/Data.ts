/** The data of the report. */

import type { PackIndex } from "../../../schemas/Augment.ts"
import type { CompareParams, Metrics } from "../../../schemas/Compare.ts"
import type { Gradstats } from "../../../schemas/Gradstats.ts"
import type { VariantName } from "../../../schemas/Names.ts"
import type { ClassCounts, Manifest } from "../../../schemas/Split.ts"
import type { History, TrainedNetwork } from "../../../schemas/Train.ts"
import type { Html } from "./Html.ts"
import type { Rows } from "./rows/Csv.ts"

/** An image of the report: its path, and its pixels as a data URI. */
export interface Shown {
  readonly path: string
  readonly uri: string
}

/** What a network says of an image: a class by its index, -1 where the activation overflowed. */
export interface Answer {
  readonly predicted: number
  readonly confidence: number
  readonly right: boolean
}

/** A test image that at least one network misclassified. */
export interface Mistake extends Shown {
  /** A class by its index. */
  readonly label: number
  readonly bn: Answer
  readonly nobn: Answer
}

/** A mistake with what each network looked at: the evidence for its answer, drawn into the image. */
export interface LookedAt extends Mistake {
  /** Data URIs; undefined where there is none, since the network has no convolution or there was no time. */
  readonly evidence: Readonly<Record<VariantName, string | undefined>>
}

/** Near-duplicates with different labels; `uri` is empty for one that was not packed. */
export interface Conflict {
  readonly images: ReadonlyArray<Shown & { readonly class: string }>
}

export interface ReportData {
  readonly params: CompareParams
  readonly metrics: Metrics
  readonly manifest: Manifest
  readonly index: PackIndex
  readonly histories: Readonly<Record<VariantName, History>>
  /** Of the further seeds. */
  readonly replicas: Readonly<Record<VariantName, ReadonlyArray<History>>>
  readonly networks: Readonly<Record<VariantName, TrainedNetwork>>
  readonly gradients: Gradstats
  /** One image per example of `metrics.examples`, in their order, with the evidence for the answer of the network with BN. */
  readonly examples: ReadonlyArray<Shown & { readonly evidence: string | undefined }>
  /** The most confident mistake of some classes. */
  readonly lookedAt: ReadonlyArray<LookedAt>
  /** Those that are shown. */
  readonly mistakes: ReadonlyArray<Mistake>
  readonly mistakesFound: number
  readonly conflicts: ReadonlyArray<Conflict>
  readonly contactSheet: string
  /** Units of the last hidden layer; 0 where a network has none, and its map is of logits. */
  readonly hiddenUnits: Readonly<Record<VariantName, number>>
  /** A sentence on letters of class names that the fonts of PNG images lack. */
  readonly missingLetters: string | undefined
  /** Charts over seeds exist only with several seeds, first filters only of a convolution. */
  /** Rows of the tables, which are files beside the report. */
  readonly tables: Readonly<Record<string, Rows>>
  readonly labels: Readonly<Record<FigureName, string>>
  readonly charts: Readonly<Record<ChartName, Html>> & Readonly<Partial<Record<SeedChartName, Html>>>
}

/** Figures that are files; both confusion matrices are one. */
export type FigureName = ChartName | SeedChartName | "hero" | "confusion" | "predictions" | "lookedAt"

/** Charts that some studies have: over several seeds, or of a first layer that is a convolution. */
export type SeedChartName = "seedLoss" | "seedAccuracy" | "filters"

export type ChartName =
  | "balance"
  | "loss"
  | "accuracy"
  | "heatMaps"
  | "profiles"
  | "ratio"
  | "updates"
  | "dead"
  | "logits"
  | "mapBn"
  | "mapNobn"
  | "calibration"
  | "confusionBn"
  | "confusionNobn"
  | "network"

/** All classes together. */
export const totalOf = (counts: ReadonlyArray<ClassCounts>): ClassCounts => {
  const sum = (key: Exclude<keyof ClassCounts, "class">): number => counts.reduce((n, one) => n + one[key], 0)
  return {
    class: "all",
    found: sum("found"),
    setAside: sum("setAside"),
    beyondLimit: sum("beyondLimit"),
    dropped: sum("dropped"),
    train: sum("train"),
    validation: sum("validation"),
    test: sum("test")
  }
}
