"""What people read and look at: the report, the contact sheet."""
