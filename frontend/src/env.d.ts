interface ImportMetaEnv {
  /** The API's origin if it is not the page's own, as in https://api.example.org. */
  readonly VITE_API_BASE_URL?: string;
}

declare module "plotly.js-strict-dist-min" {
  const Plotly: import("./outputs/plotly.ts").PlotlyStatic;
  export default Plotly;
}

declare module "monaco-editor/editor/contrib/suggest/browser/suggestController" {}
