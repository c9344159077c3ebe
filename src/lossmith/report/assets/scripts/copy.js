// The buttons that copy the code beside them.
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const source = button.parentElement.querySelector("code");
    let isCopied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // some browsers deny local files the clipboard: select the text, so that Ctrl-C copies it
      getSelection().selectAllChildren(source);
      isCopied = document.execCommand("copy");
    }
    button.textContent = isCopied ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
