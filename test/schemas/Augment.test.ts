import { AugmentParams, PackIndex } from "../../schemas/Augment.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("AugmentParams", AugmentParams)
schemaLaws("PackIndex", PackIndex)
