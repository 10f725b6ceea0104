// A page opened as a file may not fetch other pages, so the search lists titles there, without summaries.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Paper is white: a page is printed in the light theme, whichever it is read in.
matchMedia("print").addEventListener("change", ({ matches }) => {
  const page = document.documentElement;
  if (matches) {
    page.dataset.readIn = page.dataset.theme;
    page.dataset.theme = "light";
  } else if (page.dataset.readIn) {
    page.dataset.theme = page.dataset.readIn;
    delete page.dataset.readIn;
  }
});

// On a narrow screen the contents lie over the page: who has chosen a heading wants to see it.
document.addEventListener("click", ({ target }) => {
  const link = target.closest("dialog a[href*='#']");
  if (link) link.closest("dialog").close();
});
