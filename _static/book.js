// A page opened as a file may not fetch other pages, so the search lists titles there, without summaries.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
