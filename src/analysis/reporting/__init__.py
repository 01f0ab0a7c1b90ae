"""From findings to pages: blocks, figures, notebooks, PDFs, and the batch that renders every team."""
