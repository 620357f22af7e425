//! The plugin interface.

watchbook_plugin_common::guest!(crate::counter::Counter);
