const keptFor = 60_000;

/** Hands a file to the browser's downloads. */
export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // A browser may read the content only after the click has been dealt with.
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, keptFor);
}
