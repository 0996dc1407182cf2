GRANT USAGE ON SCHEMA whatsapp_mcp TO replica;
GRANT SELECT ON whatsapp_mcp.migrations, whatsapp_mcp.runs, whatsapp_mcp.leases, whatsapp_mcp.accounts,
    whatsapp_mcp.principals TO replica;
GRANT SELECT, INSERT ON whatsapp_mcp.secrets TO replica;
GRANT SELECT, INSERT, UPDATE, DELETE ON whatsapp_mcp.principal_calls TO replica;
