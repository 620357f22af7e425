//! The plugin interface.

watchbook_plugin_common::guest!(crate::watch::Watch);
