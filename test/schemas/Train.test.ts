import { Epoch, History, LayerTableRow, TrainedNetwork, TrainParams } from "../../schemas/Train.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("Epoch", Epoch)
schemaLaws("History", History)
schemaLaws("TrainParams", TrainParams)
schemaLaws("LayerTableRow", LayerTableRow)
schemaLaws("TrainedNetwork", TrainedNetwork)
