"""What is there: pods and what nodes tell, from the API's mappings to values."""
