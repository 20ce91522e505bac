import { bandTicks, columnEdges, histogramCsv, layersOf, pictureOf, quantile } from "@/lib/run-histograms";
import { layerMetricsOf, layerSeries, layerTitle } from "@/lib/run-layers";

describe("layers", () => {
  const names = ["head", "blocks.10", "blocks.2", "final_norm", "embedding"].map(
    (layer) => `grad_norm/${layer}`,
  );

  test("come from the first to the last, and have names for people", () => {
    expect(layerSeries([...names, "update_ratio/blocks.0"], "grad_norm")).toEqual([
      "grad_norm/embedding",
      "grad_norm/blocks.2",
      "grad_norm/blocks.10",
      "grad_norm/final_norm",
      "grad_norm/head",
    ]);
    expect(["blocks.0", "encoder.blocks.3", "final_norm"].map(layerTitle)).toEqual([
      "block 1",
      "encoder block 4",
      "final norm",
    ]);
  });

  test("only what a run measured is offered", () => {
    expect(layerMetricsOf([...names, "train/grad_norm"]).map(({ prefix }) => prefix)).toEqual(["grad_norm"]);
    expect(layerMetricsOf(["train/loss"])).toEqual([]);
  });
});

describe("histograms", () => {
  const edges = [-4, -2, -1, -0.5, 0.5, 1, 2, 4];
  const at = (step: number, counts: number[]) => ({ step, segment: 1, time: 0, counts });
  const rows = [at(10, [0, 100, 1, 0, 0, 100, 0]), at(20, [0, 0, 50, 1, 50, 0, 0])];

  test("are drawn without the empty ends, with the few values around zero as one band", () => {
    const picture = pictureOf(edges, rows);
    expect(picture.bands.map(({ low, high }) => [low, high])).toEqual([
      [-2, -1],
      [-1, -0.5],
      [-0.5, 0.5],
      [0.5, 1],
      [1, 2],
    ]);
    expect(picture.counts).toEqual([
      [100, 1, 0, 0, 100],
      [0, 50, 1, 50, 0],
    ]);
    expect(picture.totals).toEqual([201, 101]);
    const joined = pictureOf(edges, [at(1, [400, 0, 1, 1, 1, 0, 400])]);
    expect(joined.bands.map(({ low, high }) => [low, high])).toEqual([
      [-4, -2],
      [-2, 2],
      [2, 4],
    ]);
    expect(joined.counts).toEqual([[400, 3, 400]]);
    expect(pictureOf(edges, [at(1, [0, 0, 0, 0, 0, 0, 0])]).bands).toEqual([]);
  });

  test("have quantiles to the accuracy of a band", () => {
    const picture = pictureOf(edges, rows);
    expect(quantile(picture, 0, 0.25)).toBeCloseTo(-Math.SQRT2);
    expect(quantile(picture, 0, 0.99)).toBeCloseTo(Math.SQRT2);
    expect(quantile(picture, 1, 0.5)).toBe(0);
  });

  test("are saved in the bins as they were kept", () => {
    expect(histogramCsv(edges, [rows[1]!])).toBe(
      "step,low,high,count\n20,-1,-0.5,50\n20,-0.5,0.5,1\n20,0.5,1,50\n",
    );
    expect(layersOf(["weights/blocks.1", "gradients/head", "weights/embedding"], "weights")).toEqual([
      "embedding",
      "blocks.1",
    ]);
  });

  test("columns lie around their steps, ticks at powers of ten and apart", () => {
    expect(columnEdges([0, 10, 20], 300)).toEqual([0, 100, 200, 300]);
    expect(columnEdges([5], 300)).toEqual([0, 300]);
    const bands = pictureOf([-20, -5, -0.5, 0.5, 5, 20], [at(1, [5, 5, 5, 5, 5])]).bands;
    expect(bandTicks(bands, 1).map(({ value }) => value)).toEqual([-10, -1, 0, 1, 10]);
    expect(bandTicks(bands, 2).map(({ value }) => value)).toEqual([-10, 0, 10]);
  });
});
