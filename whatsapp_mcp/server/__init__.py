"""The MCP face: application, transports, tools, and what models read. The only room that imports `mcp`."""
