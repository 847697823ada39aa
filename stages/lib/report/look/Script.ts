/**
 * The report's script. Without it everything is there: the mistakes are in folds. With it they are one list, which is filtered
 * by controls, by a cell of a confusion matrix, or by a pair of the list of confused pairs.
 */
export const script = `
const browser = document.getElementById("mistakes");
if (browser !== null) {
  const controls = browser.querySelector("form");
  const list = browser.querySelector(".all");
  const status = browser.querySelector("[role=status]");
  const shots = [...browser.querySelectorAll("figure[data-label]")];
  const wrong = (shot, network) => shot.dataset[network] !== shot.dataset.label;
  const confidence = (shot) => {
    const of = controls.network.value;
    const asked = of === "either" ? ["bn", "nobn"] : [of];
    return Math.max(...asked.map((each) => (wrong(shot, each) ? Number(shot.dataset[each + "Confidence"]) : 0)));
  };
  const update = () => {
    const { network, fate, label, predicted, order } = controls;
    const asked = network.value === "either" ? ["bn", "nobn"] : [network.value];
    const hits = shots.filter((shot) => {
      const answers = asked.filter((each) => wrong(shot, each));
      return answers.length > 0
        && (fate.value === "" || shot.dataset.fate === fate.value)
        && (label.value === "" || shot.dataset.label === label.value)
        && (predicted.value === "" || answers.some((each) => shot.dataset[each] === predicted.value));
    });
    const by = {
      sure: (a, b) => confidence(b) - confidence(a),
      unsure: (a, b) => confidence(a) - confidence(b),
      label: (a, b) => a.dataset.label - b.dataset.label || confidence(b) - confidence(a)
    };
    hits.sort(by[order.value]);
    list.replaceChildren(...hits);
    status.textContent = hits.length + " of " + shots.length + " images";
  };
  browser.querySelectorAll("details").forEach((fold) => fold.remove());
  controls.hidden = false;
  controls.addEventListener("input", update);
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("reset", () => setTimeout(update));
  const show = (label, predicted, network) => {
    controls.reset();
    controls.label.value = label;
    controls.predicted.value = predicted;
    controls.network.value = network;
    update();
    browser.scrollIntoView();
    controls.label.focus({ preventScroll: true });
  };
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (cell === null) return;
    event.preventDefault();
    const [label, predicted] = cell.dataset.cell.split(" ");
    show(label, predicted, cell.closest("[data-network]")?.dataset.network ?? "either");
  });
  update();
}
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
});
`
